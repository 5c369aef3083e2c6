"""search: the words of pages"""

from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

# Where the database's locale is C, characters beyond ASCII are letters to the parser; these part words all the same.
MARKS = (
    "\u00a0\u00ab\u00bb\u00b7\u0964\u0965\u2010\u2011"
    "\u2013\u2014\u2018\u201a\u201c\u201d\u201e\u2022\u2026\u20ac\u20b9\u00a3"
)
# A vector holds at most 1 MiB. A character takes at most 4 bytes, is in two lexemes where words are compounds, and a
# lexeme costs 4 bytes more: 65,536 characters stay below, whatever they are. What comes after them is not found.
PAGE_VECTOR = """
CREATE FUNCTION page_vector(language text, content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE language
        WHEN 'eng' THEN pg_catalog.to_tsvector('pg_catalog.english', {words})
        WHEN 'hin' THEN pg_catalog.to_tsvector('pg_catalog.{hindi}', {words})
        ELSE pg_catalog.to_tsvector('pg_catalog.simple', {words})
    END
$$
"""
PAGE_QUERY = """
CREATE FUNCTION page_query(language text, content text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE language
        WHEN 'eng' THEN pg_catalog.websearch_to_tsquery('pg_catalog.english', {words})
        WHEN 'hin' THEN pg_catalog.websearch_to_tsquery('pg_catalog.{hindi}', {words})
        ELSE pg_catalog.websearch_to_tsquery('pg_catalog.simple', {words})
    END
$$
"""
PAGE_SNIPPET = """
CREATE FUNCTION page_snippet(language text, content text, words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.ts_headline(
        CASE language WHEN 'eng' THEN 'pg_catalog.english' WHEN 'hin' THEN 'pg_catalog.{hindi}'
                      ELSE 'pg_catalog.simple' END::pg_catalog.regconfig,
        {words}, page_query(language, words), 'StartSel="", StopSel="", MaxWords=30, MinWords=10, MaxFragments=1')
$$
"""
WORDS = f"pg_catalog.translate(pg_catalog.left(content, 65536), '{MARKS}', '{' ' * len(MARKS)}')"
# Servers built without the Hindi stemmer take words as they stand.
HAS_HINDI = "SELECT FROM pg_catalog.pg_ts_config WHERE cfgname = 'hindi' AND cfgnamespace = 'pg_catalog'::regnamespace"


def upgrade() -> None:
    hindi = "hindi" if op.get_bind().exec_driver_sql(HAS_HINDI).first() is not None else "simple"
    for function in (PAGE_VECTOR, PAGE_QUERY, PAGE_SNIPPET):
        op.execute(function.format(hindi=hindi, words=WORDS))
    op.execute("CREATE INDEX pages_by_words ON pages USING gin (page_vector(language, text)) WITH (fastupdate = on)")


def downgrade() -> None:
    op.execute("DROP INDEX pages_by_words")
    op.execute("DROP FUNCTION page_snippet")
    op.execute("DROP FUNCTION page_query")
    op.execute("DROP FUNCTION page_vector")
