"""Templates that are there for everybody. Each is one of the built-in analyses, which know best how to say it."""

from pagemesh.results.v1.templates_pb2 import Template

ANALYSIS_TYPES = {
    "summary": "summary",
    "tags": "tagging",
    "financial_analysis": "financial_analysis",
    "key_value_extraction": "key_value_extraction",
}
"""Names of the templates with the analyses that they are."""

_TOLD = {
    "summary": (
        "A short summary, with key figures, insights and tags.",
        "Summarise the document in three to six sentences.",
    ),
    "tags": (
        "Tags, the strongest first.",
        "Give tags: short phrases that say what the document is about.",
    ),
    "financial_analysis": (
        "Figures that matter, what changed, what to watch.",
        "Analyse the document financially: figures that matter, what changed and why, what a reader should watch.",
    ),
    "key_value_extraction": (
        "Every labelled value.",
        "Extract every labelled value into fields, values as printed.",
    ),
}

BUILT_IN = {
    name: Template(name=name, version=1, description=description, instructions=f"{told}\n\n{{{{text}}}}", built_in=True)
    for name, (description, told) in _TOLD.items()
}
"""By name."""
