import json
from typing import Any

import pytest

from pagemesh.results.v1.page_pb2 import Page
from services.analysis.evidence import EvidenceIndex
from services.analysis.faults import AnalysisFault
from services.analysis.grounding import leaves
from services.analysis.local import MODEL_VERSION, analyze_document
from services.analysis.reading import read_document
from services.analysis.request import ANALYSIS_TYPES, AnalysisRequest, AnalysisResult
from tests.unit.analysis.pages import HINDI, INVOICE, REPORT, SECOND, page, pages, table


def analyzed(kind: str, *texts: str, prompt: str | None = "What is the revenue?", **options: Any) -> AnalysisResult:
    return analyze_document(read_document(pages(*texts)), AnalysisRequest(kind, prompt, options))


@pytest.mark.parametrize("kind", sorted(ANALYSIS_TYPES))
@pytest.mark.parametrize("texts", [(REPORT, SECOND), (INVOICE,), (HINDI,)], ids=["report", "invoice", "hindi"])
def test_every_analysis_quotes_and_nothing_else(kind: str, texts: tuple[str, ...]) -> None:
    """All evidence of all types is verified by the independent check, on the page that it names."""
    result = analyzed(kind, *texts)
    index = EvidenceIndex(read_document(pages(*texts)))
    quotes = [item for items in result.result_data["evidence"].values() for item in items]
    assert quotes
    assert [(item["match"], item["page"]) for item in quotes] == [
        (found.match, found.page) for item in quotes if (found := index.locate(item["quote"], item["page"]))
    ]


@pytest.mark.parametrize("kind", sorted(ANALYSIS_TYPES))
def test_every_value_names_its_evidence(kind: str) -> None:
    """The common parts are there, are JSON, and each extracted value has evidence under its path."""
    data = analyzed(kind, REPORT, SECOND).result_data
    assert json.loads(json.dumps(data)) == data
    assert {"summary", "key_metrics", "insights", "tags", "evidence"} <= data.keys()
    rooms = ("summary", "key_metrics.", "insights[", "tags[", "fields.")
    values = [path for path, value in leaves(data) if path.startswith(rooms) and value]
    assert values
    assert [] == [path for path in values if not data["evidence"].get(path)]


def test_the_summary_is_made_of_sentences_of_the_document() -> None:
    """The summary leads with what the report is about and holds no heading."""
    summary = analyzed("summary", REPORT, SECOND).result_data["summary"]
    assert "Total revenue increased by 12.5% to $48.2 million compared with the first quarter of the year." in summary
    assert "Quarterly report of Northwind" not in summary


def test_labelled_figures_become_metrics() -> None:
    """Labels name the metrics, whose values are as printed."""
    metrics = analyzed("financial_analysis", REPORT, SECOND).result_data["key_metrics"]
    assert ("$48.2 million", "37.6%", "$30.1 million") == (
        metrics["total_revenue"],
        metrics["operating_margin"],
        metrics["operating_costs"],
    )


def test_metrics_of_a_table_carry_their_column() -> None:
    """A row with a label and figures gives one metric a column, the evidence has the row's box."""
    made = page("Sales by year and region of the company")
    made.tables.append(table([["", "2024", "2023"], ["Net sales", "$1,200", "$1,100"]]))
    data = analyze_document(read_document([made]), AnalysisRequest("financial_analysis")).result_data
    assert ("$1,200", "$1,100") == (data["key_metrics"]["net_sales_2024"], data["key_metrics"]["net_sales_2023"])
    assert [0.0, 20.0, 300.0, 40.0] == data["evidence"]["key_metrics.net_sales_2024"][0]["box"]


def test_insights_have_trends_and_figures() -> None:
    """The first insight is the sentence with a change and its figures."""
    insights = analyzed("summary", REPORT, SECOND).result_data["insights"]
    assert insights[0].startswith(("Total revenue increased", "Operating costs fell"))


def test_an_invoice_gives_its_fields() -> None:
    """The usual fields of an invoice have their usual names."""
    fields = analyzed("key_value_extraction", INVOICE).result_data["fields"]
    expected = {
        "invoice_number": "BT-2025-0042",
        "date": "3 March 2025",
        "due_date": "2 April 2025",
        "subtotal": "$49.00",
        "tax": "$9.80",
        "total": "$58.80",
        "issuer": "Bright Tools Ltd",
        "address": "12 Harbour Street 20457 Hamburg",
    }
    assert expected == {name: fields.get(name) for name in expected}


def test_header_cells_name_the_cells_below() -> None:
    """Well-known labels in the header of a table name the values under them."""
    made = page("INVOICE of the company\nGrand Total $58.80")
    made.tables.append(table([["Customer No", "Invoice No", "Invoice Date"], ["K-17", "F2025-9", "3 March 2025"]]))
    data = analyze_document(read_document([made]), AnalysisRequest("key_value_extraction")).result_data
    expected = {"customer_number": "K-17", "invoice_number": "F2025-9", "date": "3 March 2025"}
    assert expected == {name: data["fields"].get(name) for name in expected}


def test_several_pairs_on_a_line_are_told_apart() -> None:
    """A second label on a line ends the value of the first."""
    fields = analyzed("key_value_extraction", "Inv No: 1128461 Cashier: Thandar Date: 06-05-2018").result_data["fields"]
    assert {"invoice_number": "1128461", "cashier": "Thandar", "date": "06-05-2018"} == fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INVOICE, "invoice"),
        (REPORT + "\nNet income and cash flows of the fiscal quarter", "financial report"),
        ("Dear Ms Kaur,\nthank you for your letter of last week about the flat.\nYours sincerely\nA. Rao", "letter"),
        ("Abstract\nWe propose a method. Lee et al. differ.\nIntroduction\nReferences", "scientific article"),
        ("User Manual\nTroubleshooting\nPress the red button to enable the pump. Warning: hot.", "manual"),
        ("District Court\nPlaintiff v. Defendant\nCase No. 12\nMotion to dismiss the complaint", "legal filing"),
        ("RECEIPT\nTea 2.20\nTotal 2.20\nCash 5.00\nChange 2.80\nCashier: Ann", "receipt"),
        ("A plain remark about the weather in the north.", "other"),
    ],
)
def test_kinds_are_told_by_their_cues(text: str, expected: str) -> None:
    """Each kind is recognised, and what fits none is `other`; scores add up to one."""
    data = analyzed("classification", text).result_data
    assert expected == data["label"] == data["labels"][0]["label"]
    assert 1.0 == pytest.approx(sum(label["score"] for label in data["labels"]), abs=0.01)


def test_tags_are_the_subjects_and_obey_the_request() -> None:
    """Tags name what recurs, no more than asked for, none with an excluded word."""
    data = analyzed("tagging", REPORT, SECOND, num_tags=3, exclude_tags=["energy"]).result_data
    assert 3 == len(data["tags"]) == len(data["tags_detail"])
    assert "wind farms" in data["tags"]
    assert not any("energy" in tag.lower() for tag in data["tags"])


def test_tags_name_their_pages() -> None:
    """The detail of a tag lists every page that it stands on."""
    detail = analyzed("tagging", REPORT, SECOND).result_data["tags_detail"]
    assert [[1, 2]] == [item["pages"] for item in detail if item["tag"] == "wind farms"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the operating margin?", "37.6%"),
        ("How much is the loan?", "$5.0 million"),
        ("Who will win the chess tournament?", ""),
    ],
)
def test_questions_are_answered_from_the_text(question: str, expected: str) -> None:
    """The answer is the span that was asked for, and empty where the text has none."""
    assert expected == analyzed("question_answering", REPORT, SECOND, prompt=question).result_data["answer"]


def test_no_answer_means_little_confidence() -> None:
    """An unanswered question has a lower confidence than an answered one."""
    unanswered = analyzed("question_answering", REPORT, prompt="Who won the chess tournament?")
    answered = analyzed("question_answering", REPORT, prompt="What is the operating margin?")
    assert unanswered.confidence < 0.1 < 0.5 < answered.confidence


def test_hindi_is_understood() -> None:
    """Hindi labels, figures in Devanagari digits and sentences with a danda are found."""
    data = analyzed("key_value_extraction", HINDI).result_data
    assert ("₹ १,२३,४५६.५०", "१५ अगस्त २०२५") == (data["fields"]["total"], data["fields"]["date"])
    assert 123456.5 == data["key_metrics_detail"]["total"]["number"]
    assert any("१२ प्रतिशत" in insight for insight in data["insights"])
    assert "जल आपूर्ति" in data["tags"]


def test_doubtful_reading_lowers_confidence() -> None:
    """The confidence of recognised text bounds that of its analysis."""
    sure, doubtful = page(REPORT), page(REPORT)
    doubtful.confidence = 0.5
    request = AnalysisRequest("summary")
    results = [analyze_document(read_document([one]), request).confidence for one in (sure, doubtful)]
    assert results[1] == pytest.approx(results[0] / 2, abs=0.001)


def test_it_costs_nothing_and_says_what_it_is() -> None:
    """The local analyzer names its version and uses no tokens."""
    result = analyzed("summary", REPORT)
    assert (MODEL_VERSION, 0, None, None) == (
        result.model_version,
        result.token_usage.total_tokens,
        result.cost_usd,
        result.prompt_sha256,
    )


def test_blank_pages_are_nothing_to_analyze() -> None:
    """A document without text ends with its own code."""
    with pytest.raises(AnalysisFault) as fault:
        analyze_document(read_document([Page(number=1)]), AnalysisRequest("summary"))
    assert "nothing_to_analyze" == fault.value.code


@pytest.mark.parametrize(
    ("kind", "prompt", "expected"),
    [("poetry", None, "unknown_analysis_type"), ("custom", " ", "invalid_request")],
)
def test_what_cannot_be_asked_is_refused(kind: str, prompt: str | None, expected: str) -> None:
    """Unknown types, and types that need a prompt without one, are refused."""
    with pytest.raises(AnalysisFault) as fault:
        analyzed(kind, REPORT, prompt=prompt)
    assert expected == fault.value.code
