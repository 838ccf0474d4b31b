"""Personal data: what is found, where exactly, what stands in its place, and what hostile input costs."""

from __future__ import annotations

import logging
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.kernels import pii_scan
from curate.stage import Shared
from curate.stages.privacy import presidio
from curate.stages.privacy.detector import Detector
from curate.stages.privacy.secrets import entropy
from curate.stages.privacy.stage import KEY_VARIABLE, Pii, PiiParameters


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in detector.find(pa.array([text], pa.string()))[0]]


# A key made up here, of the documented form; split so that no scanner of repositories takes it for a real one.
AWS = "AKIA" + "Q3EGRZ7LMX2K5TNB"
GITHUB = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jane.doe+x@mail.example-site.com.", [("EMAIL_ADDRESS", "jane.doe+x@mail.example-site.com")]),
        ("mailto:a_b@uni.ac.uk?subject=x", [("EMAIL_ADDRESS", "a_b@uni.ac.uk")]),
        ("联系邮箱wang@firma.cn谢谢", [("EMAIL_ADDRESS", "wang@firma.cn")]),
        ("at foo@localhost and @user and a@b", []),
        ("Call (212) 664-7665 now", [("PHONE_NUMBER", "(212) 664-7665")]),
        ("Tel.: +49 30 901820", [("PHONE_NUMBER", "+49 30 901820")]),
        ("Phone 020 7946 0958 ext. 12", [("PHONE_NUMBER", "020 7946 0958 ext. 12")]),
        ("ring +44 (0)20 7946 0958 x", [("PHONE_NUMBER", "+44 (0)20 7946 0958")]),
        ("ring +99 (0)30 90182055 x", [("PHONE_NUMBER", "(0)30 90182055")]),
        ("on 2023-04-05 and 05.04.2023, in 2010-2014", []),
        ("server 81.2.69.142 down", [("IP_ADDRESS", "81.2.69.142")]),
        ("router 192.168.1.1, loopback 127.0.0.1", []),
        ("version 81.2.69.142 of the driver", []),
        ("oid 1.3.6.1.4.1", []),
        ("from 2a02:2e0:3fe:1001:302::", [("IP_ADDRESS", "2a02:2e0:3fe:1001:302::")]),
        ("std::vector, a::b and 12:30:45", []),
        ("card 4111 1111 1111 1111 exp", [("CREDIT_CARD", "4111 1111 1111 1111")]),
        ("amex 3782-822463-10005", [("CREDIT_CARD", "3782-822463-10005")]),
        ("卡号4111111111111111。", [("CREDIT_CARD", "4111111111111111")]),
        ("card 4111 1111 1111 1112", []),
        ("id a4111111111111111", []),
        ("IBAN DE89 3704 0044 0532 0130 00 ok", [("IBAN_CODE", "DE89 3704 0044 0532 0130 00")]),
        ("GB82WEST12345698765432", [("IBAN_CODE", "GB82WEST12345698765432")]),
        ("SSN 536-22-8145.", [("US_SSN", "536-22-8145")]),
        ("social security number 536228145", [("US_SSN", "536228145")]),
        ("SSN 000-12-3456", []),
        ("mac 00:1A:2B:3C:4D:5E up", [("MAC_ADDRESS", "00:1A:2B:3C:4D:5E")]),
        ("pay 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", [("CRYPTO", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT")]),
        (f"key {AWS} here", [("SECRET", AWS)]),
        (f"GH_TOKEN={GITHUB}", [("SECRET", GITHUB)]),
        ("password: Tr0ub4dor&3, next", [("SECRET", "Tr0ub4dor&3")]),
        ("DB_PASSWORD=s3cr3t-Horse9", [("SECRET", "s3cr3t-Horse9")]),
        ("The password reset page; token: string; password: ********", []),
    ],
)
def test_finds_exactly_the_value(detector: Detector, text: str, expected: list[tuple[str, str]]) -> None:
    assert found(detector, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "in Spain, ISBN 84-8048-639-2.",
        "ISBN-10: 0-521-53927-7, ISSN 0269-9648",
        "Lancet 2 (12): 717. doi:10.1016/S1474-4422(03)00604-5. S2CID 243457461.",
        "http://www.doiserbia.nb.rs/img/doi/0350-1302/2007/",
        "www.example.com/large/0486421945 and /64901/bn_7013162045",
        "EAN: 4013389466813, Artikel-Nr. 8815952953, tariff code: 8482.10.50.68",
        "Fixed startup (Bug 1680877)",
        "Mon - Fri: 08.30 - 17.30, Sat 9.00 - 12.00 - 15.00 - 18 .00",
        "30.09.1891, 02-22-2016 08:07, 04.04.06 and 13.07.2014 10:20:30",
        "posted 2019-09-3007:42 by",
        "[stdout:0] [ 0.60640442   0.95919621] and 1.2511263318488451",
        "17 / 3 is 5.666666666666667",
        "the numbers 12 -48 28 -63 60 and 14 \u221223 21 \u221217 14",
        "Image Resizer 2.7.3.1, EC 1.2.5.1, riak_pb 2.0.0.16",
        "even = rc[::2]",
        "a list of tokens (5-tuples, see tokenize)",
    ],
)
def test_numbers_that_are_known_for_something_else_stay(detector: Detector, text: str) -> None:
    assert found(detector, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to order 1-800-984-0989 or 800-451-9930", ["1-800-984-0989", "800-451-9930"]),
        ("Tel/Fax:020 7515 7774", ["020 7515 7774"]),
        ("https://wa.me/+12126647665", ["+12126647665"]),
        ("reference desk 212-439-6540, item 04 76 40 63 62", ["212-439-6540", "04 76 40 63 62"]),
        ("IP 4.4.2.8, see http://1.2.3.4/", ["4.4.2.8", "1.2.3.4"]),
        ("no. 04.66.93.80.04", ["04.66.93.80.04"]),
        ("in 5, 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
    ],
)
def test_what_resembles_such_numbers_is_found(detector: Detector, text: str, expected: list[str]) -> None:
    assert [value for _, value in found(detector, text)] == expected


def test_a_private_key_is_found_to_its_last_line(detector: Detector) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEabc+/9\n" * 20 + "-----END RSA PRIVATE KEY-----"
    assert found(detector, f"see\n{key}\nand more") == [("SECRET", key)]


def test_national_ids_are_found_for_the_countries_that_are_named() -> None:
    detector = Detector(countries=("uk", "in"))
    assert ("UK_NINO", "AB 12 34 56 C") in found(detector, "national insurance AB 12 34 56 C")
    assert ("IN_PAN", "ABCPE1234F") in found(detector, "PAN ABCPE1234F")
    with pytest.raises(ValueError, match=r"no national ids known for zz; known: .*de.*us"):
        Detector(countries=("zz",))


def run(text: str | None, **parameters: object) -> tuple[str | None, dict[str, object], str | None]:
    """The text and signals that come out, and the rule that drops."""
    stage = Pii(PiiParameters.model_validate(parameters))
    stage.open()
    outcome = stage.process(pa.RecordBatch.from_pydict({"text": pa.array([text], pa.string())}), Shared())
    rule = None if outcome.verdicts is None else outcome.verdicts.column("rule")[0].as_py()
    batch = stage.edit(outcome.batch, Shared())
    return batch.column("text")[0].as_py(), batch.column("pii")[0].as_py(), rule


TEXT = "👩‍👩‍👧 Schreib an a.b@firma.de — oder ruf +49 30 901820 an! e\u0301"


def test_placeholders_stand_where_the_spans_say() -> None:
    text, signals, _ = run(TEXT)
    assert text == "👩‍👩‍👧 Schreib an <EMAIL_ADDRESS> — oder ruf <PHONE_NUMBER> an! e\u0301"
    assert text is not None
    assert [text[s["start"] : s["end"]] for s in signals["spans"]] == ["<EMAIL_ADDRESS>", "<PHONE_NUMBER>"]  # type: ignore[attr-defined]
    assert signals["count"] == 2


def test_redact_removes_and_annotate_leaves() -> None:
    assert run(TEXT, mode="redact")[0] == "👩‍👩‍👧 Schreib an  — oder ruf  an! e\u0301"
    text, signals, rule = run(TEXT, mode="annotate")
    assert text == TEXT and rule is None
    assert [TEXT[s["start"] : s["end"]] for s in signals["spans"]] == ["a.b@firma.de", "+49 30 901820"]  # type: ignore[attr-defined]


def test_drop_goes_by_density() -> None:
    assert run("mail a.b@firma.de", mode="drop")[2] == "personal_data"
    assert run("mail a.b@firma.de " + "and much other text " * 20, mode="drop")[2] is None
    assert run(None, mode="drop")[2] is None


def test_surrogates_keep_the_form_and_map_the_same_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a key of at least sixteen characters")
    text = "a.b@firma.de, A.B@firma.de, c@firma.de, 4111-1111-1111-1111, 81.2.69.142"
    first, _, _ = run(text, replacement="surrogate")
    assert first == run(text, replacement="surrogate")[0]
    parts = str(first).split(", ")
    assert parts[0] == parts[1] != parts[2]
    assert parts[0].split("@")[1] == parts[2].split("@")[1]
    assert parts[0].endswith(".example.com") and len(parts[3]) == 19 and parts[3] != "4111-1111-1111-1111"
    assert parts[4].startswith(("198.51.100.", "203.0.113."))
    monkeypatch.setenv(KEY_VARIABLE, "another key of sixteen characters or more")
    assert run(text, replacement="surrogate")[0] != first
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ValueError, match="CURATE_PII_KEY"):
        run(text, replacement="surrogate")


def test_titles_are_replaced_too() -> None:
    stage = Pii(PiiParameters())
    stage.open()
    batch = pa.RecordBatch.from_pydict({"text": ["nothing"], "title": ["Mail a.b@firma.de"]})
    out = stage.edit(stage.process(batch, Shared()).batch, Shared())
    assert out.column("title").to_pylist() == ["Mail <EMAIL_ADDRESS>"]


PIECES = ["a.b@firma.de", "+49 30 901820", "4111 1111 1111 1111", "81.2.69.142", "536-22-8145", AWS]
FILLER = st.text(alphabet="aZ é中😀\u0301\u200d\n.,", max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FILLER, st.sampled_from(PIECES)), max_size=5), FILLER)
def test_replacing_touches_nothing_but_the_spans(detector: Detector, parts: list[tuple[str, str]], tail: str) -> None:
    text = "".join(f"{filler} {piece} " for filler, piece in parts) + tail
    before = detector.find(pa.array([text]))[0]
    stage = Pii(PiiParameters())
    stage._detector = detector
    stage._stand_in = lambda type_, value: f"<{type_}>"
    batch = stage.process(pa.RecordBatch.from_pydict({"text": [text]}), Shared()).batch
    out = stage.edit(batch, Shared())
    new, signals = out.column("text")[0].as_py(), out.column("pii")[0].as_py()
    outside_old, outside_new, at_old, at_new = [], [], 0, 0
    for old, span in zip(before, signals["spans"], strict=True):
        assert new[span["start"] : span["end"]] == f"<{span['type']}>"
        outside_old.append(text[at_old : old.start])
        outside_new.append(new[at_new : span["start"]])
        at_old, at_new = old.end, span["end"]
    assert [*outside_old, text[at_old:]] == [*outside_new, new[at_new:]]
    assert all(piece not in new for _, piece in parts)


def test_an_answer_does_not_depend_on_neighbours(detector: Detector) -> None:
    texts = [TEXT, None, "", "4111 1111", "1111 1111", "a@", "b.de", "81.2.69.142"]
    together = detector.find(pa.array(texts, pa.string()))
    sliced = detector.find(pa.array(["x@y.com", *texts], pa.string()).slice(1))
    alone = [detector.find(pa.array([text], pa.string()))[0] for text in texts]
    assert together == alone == sliced


@pytest.mark.parametrize(
    "unit",
    ["1", "@", "a@", "1 ", "1.", "::", "a.a@a.", "AB12 ", "-", "password ", "1-1-", "٣", "AKIA", "-----BEGIN "],
)
def test_hostile_input_costs_what_it_is_long(detector: Detector, unit: str) -> None:
    short, long = unit * 5_000, unit * 20_000
    detector.find(pa.array([short[:1000]]))
    clock = []
    for text in (short, long):
        start = time.process_time()
        detector.find(pa.array([text]))
        clock.append(time.process_time() - start)
    assert clock[1] < 1.0 + 12 * clock[0]


@pytest.mark.slow
@pytest.mark.parametrize("text", ["7" * 50_000_000, "@" * 1_000_000, "a" * 10_000_000, "." * 10_000_000])
def test_a_line_of_fifty_megabytes_takes_seconds(detector: Detector, text: str) -> None:
    start = time.process_time()
    assert detector.find(pa.array([text])) == [[]]
    assert time.process_time() - start < 20


ALL_COUNTRIES = tuple("au ca de es fi in it kr ng ph pl se sg th tr uk us za".split())


@pytest.fixture(scope="module")
def of_all_countries() -> Detector:
    return Detector(countries=ALL_COUNTRIES)


@pytest.mark.parametrize("unit", ["1 ", "1-", "1a ", "AB12 ", "1"])
def test_runs_of_short_groups_take_linear_time_with_the_ids_of_every_country(
    of_all_countries: Detector, unit: str
) -> None:
    def seconds(size: int) -> float:
        start = time.process_time()
        of_all_countries.find(pa.array([(unit * size)[:size]]))
        return time.process_time() - start

    seconds(1_000)  # compiles
    short, long = seconds(8_000), seconds(64_000)
    assert long < 24 * short + 0.5 and long < 20


def test_looking_for_the_patterns_first_leaves_out_no_national_id(of_all_countries: Detector) -> None:
    recognizers = of_all_countries._by_kind[pii_scan.IDENTIFIER]
    ids = ["536-22-8145", "QQ 12 34 56 C", "943 476 5919", "12345678Z", "DE123456789", "2234 5678 9012", "44051401359"]
    ids += ["S1234567D", "51 824 753 556", "1 2 3 4 5 6 7 8 9 0 3", "131052-308T", "8001015009087", "10000000146", "x"]
    for text in ids:
        straight = [
            (each.entity_type, each.start, each.end)
            for recognizer in recognizers.recognizers
            for each in recognizer.analyze(text, recognizer.supported_entities)
        ]
        assert [finding[:3] for finding in recognizers.find(text, ())] == straight
    assert sum(bool(recognizers.find(text, ())) for text in ids) >= 10


def test_nothing_found_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        found(Detector(), "IBAN DE00 1234 1234 1234 1234 00 ñ, a.b@firma.de, 536-22-8145, 4111111111111111")
    assert "firma" not in caplog.text and "1234" not in caplog.text and "8145" not in caplog.text


def test_entropy_of_what_is_known() -> None:
    assert entropy("aaaa") == 0.0
    assert entropy("abcd") == 2.0


def test_presidios_language_engines_are_not_loaded_and_remain_importable() -> None:
    """spaCy, torch and transformers cost each worker 8 s of CPU; recognizers need none of them."""
    code = (
        "import sys\n"
        "from curate.stages.privacy import presidio\n"
        "from curate.stages.privacy.detector import Detector\n"
        "import pyarrow as pa\n"
        "spans = Detector(countries=['us']).find(pa.array(['write to a.b@firma.de']))[0]\n"
        "assert [s.type for s in spans] == ['EMAIL_ADDRESS'], spans\n"
        "heavy = {'spacy', 'torch', 'transformers', 'presidio_analyzer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from presidio_analyzer import AnalyzerEngine, PatternRecognizer, predefined_recognizers as whole\n"
        "public = {n for n, k in vars(whole).items() if isinstance(k, type) and issubclass(k, PatternRecognizer)}\n"
        "countries = {n for n in public if getattr(whole, n).COUNTRY_CODE}\n"
        "assert countries == {n for n, k in presidio.national().items() if k.COUNTRY_CODE}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_recognizers_alone_answer_as_those_of_the_whole_package() -> None:
    alone = presidio.generic("IbanRecognizer", "CryptoRecognizer", "UsSsnRecognizer", "MacAddressRecognizer")
    from presidio_analyzer import predefined_recognizers as whole

    texts = ["GB82WEST12345698765432", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "536-22-8145", "00:1A:2B:3C:4D:5E", "000"]
    for kind in alone:
        pair = kind(), getattr(whole, kind.__name__)()
        assert pair[0].context == pair[1].context
        for text in texts:
            found = [each.analyze(text, each.supported_entities) for each in pair]
            ours, theirs = ([(r.entity_type, r.start, r.end, r.score) for r in results] for results in found)
            assert ours == theirs
