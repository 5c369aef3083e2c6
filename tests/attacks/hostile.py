"""Values that nobody means well with."""

TEXTS = {
    "nothing": "",
    "a blank": " ",
    "no UUID": "x",
    "almost a UUID": "6f1f0b8e-0000-4000-8000-00000000000g",
    "a UUID and more": "6f1f0b8e-0000-4000-8000-000000000001/..",
    "a UUID in braces": "{6f1f0b8e-0000-4000-8000-000000000001}",
    "SQL": "' OR '1'='1'; DROP TABLE documents; --",
    "a LIKE pattern": "%_%\\",
    "a path": "../../../../etc/passwd",
    "a subject": "status.>.*",
    "a template": "{{7*7}}${7*7}%(x)s",
    "NUL": "6f1f0b8e\0-0000",
    "a line end": "a\r\nset-cookie: x=1",
    "other scripts": "दस्तावेज़-документ-文件-😀",
    "a combining mark": "e\u0301" * 40,
    "right to left": "\u202egpj.exe\u2066",
    "no character": "\ufffe\uffff",
    "very long": "a" * 5_000,
    "a long number": "9" * 400,
    "the end of time": "9999-12-31T23:59:59-12:00",
    "JSON": '{"$ne": null}',
}
"""Texts by what they are."""

NUMBERS = (-1, 0, 1, -(1 << 31), (1 << 31) - 1)
LARGE_NUMBERS = (*NUMBERS, -(1 << 63), (1 << 63) - 1)
