"""Passwords that lists of leaked ones name again and again: words that people decorate, and patterns that are no word.

All in lower case and without accents, as `strength` compares them.
"""

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
PASSWORDS = frozenset(
    """
    1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 q1w2e3r4t5y6 1qaz2wsx3edc 1qazxsw23edc zaq12wsxcde3 zaq1zaq1zaq1 qazwsxedcrfv
    qazwsxedc123 123qweasdzxc qweasdzxc123 qwe123asd456 123qwe123qwe 1qaz2wsx1qaz a123456789 aa123456789 a1234567890
    123456789a 1234567890a 123456789q q123456789 asd123asd123 1a2b3c4d5e a1b2c3d4e5 1234abcd1234 abcd1234abcd
    """.split()  # noqa: SIM905  # words, to be read and added to as words
)
