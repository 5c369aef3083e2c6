"""Words that lists of leaked passwords name again and again, decorated; in lower case and without accents."""

WORDS = frozenset(
    """
    abc abcd abcde abcdef admin administrator andrew anthony apple arsenal asd asdf asdfg asdfgh asdfghjkl ashley
    backup baseball basketball batman blessed bonjour bubbles butterfly changeme changeit charlie cheese chelsea
    chocolate company computer cookie corvette crystal daniel database default demo diamond dolphin donald dragon
    everton facebook family flower football forever freedom friends george ginger google guest hallo hannah happy
    hello helloworld hockey hunter iloveyou internet jennifer jessica jordan joshua justin killer letmein
    liverpool login london love loveme loveyou lovely maggie manager master matrix matthew maverick mercedes merlin
    michael michelle microsoft monkey monster mustang mypassword naruto newpassword nicole nothing oracle orange
    pagemesh pass passw passwd passwort password pepper phoenix pokemon postgres prince princess
    private public purple qazwsx qwe qwer qwert qwerty qwertyuiop qwertz azerty rainbow ranger robert root samsung
    samantha secret server service shadow silver soccer spiderman spring starwars stephanie summer sunshine superman
    superuser support system temp temporary test tester testing testtest thomas thunder tigger trustno unknown user
    username victoria welcome whatever william windows winter autumn yamaha yankees zaqxsw zxc zxcv zxcvb zxcvbn
    zxcvbnm motdepasse contrasena senha wachtwoord haslo parola salasana
    """.split()  # noqa: SIM905  # words, to be read and added to as words
)
