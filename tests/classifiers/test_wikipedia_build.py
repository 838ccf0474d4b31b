"""The training set of wikipedia_reference from a dump of links in its true format and a mirror that is served."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import main
from classifiers.external_links import balanced, from_index, links, refused
from classifiers.wikipedia_build import Page, matched, stored
from curate.stages.quality.fasttext_model import ModelError
from examples.miniweb.build import build as build_web
from examples.miniweb.serve import Fault, MiniServer

HEAD = """-- MariaDB dump 10.19  Distrib 10.5.23-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: db1206    Database: enwiki
-- ------------------------------------------------------
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `externallinks`;
CREATE TABLE `externallinks` (
"""
NEW = """  `el_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `el_from` int(8) unsigned NOT NULL DEFAULT 0,
  `el_to_domain_index` varbinary(255) NOT NULL DEFAULT '',
  `el_to_path` blob DEFAULT NULL,
  PRIMARY KEY (`el_id`),
  KEY `el_from` (`el_from`),
  KEY `el_to_domain_index_to_path` (`el_to_domain_index`,`el_to_path`(60))
) ENGINE=InnoDB AUTO_INCREMENT=1 DEFAULT CHARSET=binary;
"""
OLD = """  `el_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `el_from` int(8) unsigned NOT NULL DEFAULT '0',
  `el_to` blob NOT NULL,
  `el_index` blob NOT NULL,
  `el_index_60` varbinary(60) NOT NULL,
  PRIMARY KEY (`el_id`)
) ENGINE=InnoDB DEFAULT CHARSET=binary;
"""
TAIL = (
    "/*!40000 ALTER TABLE `externallinks` ENABLE KEYS */;\nUNLOCK TABLES;\n-- Dump completed on 2025-11-01  9:20:13\n"
)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def new_dump(path: Path, urls: list[str]) -> Path:
    """The table as MediaWiki 1.41 and later has it, several rows an INSERT."""
    rows = []
    for number, url in enumerate(urls, 1):
        scheme, _, rest = url.partition("://")
        host, slash, place = rest.partition("/")
        index = f"{scheme}://" + ".".join(reversed(host.split("."))) + "."
        rows.append(f"({number},{number % 7},{quoted(index)},{quoted(slash + place) if slash else 'NULL'})")
    inserts = [f"INSERT INTO `externallinks` VALUES {','.join(rows[i : i + 50])};\n" for i in range(0, len(rows), 50)]
    path.write_bytes(gzip.compress((HEAD + NEW + "".join(inserts) + TAIL).encode()))
    return path


def test_both_forms_of_the_table_are_read_with_quotes_escapes_and_nulls(tmp_path: Path) -> None:
    urls = ["https://www.example.com/it's_(a),_b?x='1',2", "http://example.org", "http://a.example/\\back"]
    assert list(links(str(new_dump(tmp_path / "new.sql.gz", urls)))) == urls
    rows = ",".join(f"({i},1,{quoted(url)},'http://x.','http://x.')" for i, url in enumerate(urls))
    old = tmp_path / "old.sql.gz"
    old.write_bytes(gzip.compress((HEAD + OLD + f"INSERT INTO `externallinks` VALUES {rows};\n" + TAIL).encode()))
    assert list(links(str(old))) == urls


def test_a_port_stays_behind_the_host() -> None:
    assert from_index("https://com.example.www.:8080", "/a") == "https://www.example.com:8080/a"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"-- nothing\n"), "no INSERT INTO `externallinks`"),
        (gzip.compress((HEAD + NEW + TAIL).encode())[:-20], "not a whole gzip file"),
        (b"plain text", "not a whole gzip file"),
        (gzip.compress(b"  `el_id` int\nINSERT INTO `externallinks` VALUES (1);\n"), "allowed: el_to, or"),
    ],
    ids=["no rows", "cut short", "plain text", "unknown columns"],
)
def test_what_is_no_dump_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "dump.sql.gz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"dump\.sql\.gz: .*{message}"):
        list(links(str(path)))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://web.archive.org/web/2010/http://example.com/a", "archive"),
        ("https://archive.is/abc", "archive"),
        ("https://m.facebook.com/page", "social"),
        ("https://doi.org/10.1000/1", "resolver"),
        ("https://books.google.com/books?id=1", "resolver"),
        ("http://www.geocities.com/a", "dead"),
        ("https://example.com/paper.PDF?x=1", "no page"),
        ("mailto:a@example.com", "no web address"),
        ("https://notfacebook.com/a", None),
        ("https://example.com/a.pdf/view", None),
    ],
)
def test_archives_social_and_dead_hosts_are_no_positives(url: str, reason: str | None) -> None:
    assert refused(url) == reason


def test_the_sample_is_balanced_over_sites_and_does_not_depend_on_order_or_repetition() -> None:
    urls = [f"https://www.big.org/{i}" for i in range(500)] + [f"https://site{i}.com/a" for i in range(40)]
    urls += ["https://big.org/7#part", "http://www.big.org/7"]
    first = balanced(urls, sites=20, per_site=3, seed=1)
    assert len(first.by_site) == 20 and max(map(len, first.by_site.values())) <= 3
    again = balanced([*reversed(urls), *urls], sites=20, per_site=3, seed=1)
    assert {k: sorted(v) for k, v in again.by_site.items()}.keys() == first.by_site.keys()
    assert balanced(urls, 100, 600, 1).counts["used"] == 540
    assert balanced(urls, sites=20, per_site=3, seed=2).by_site != first.by_site


def test_negatives_have_the_languages_and_lengths_of_the_positives() -> None:
    def page(number: int, language: str, length: int) -> Page:
        return Page(f"https://s{number}.com", f"s{number}.com", "x" * length, language)

    positives = [page(i, "en", 1000) for i in range(5)] + [page(9, "de", 4000), page(10, "fi", 300)]
    others = [page(100 + i, "en", 300 * (1 + i % 9)) for i in range(90)] + [page(300 + i, "de", 500) for i in range(9)]
    chosen = matched(positives, others, seed=1)
    assert Counter(each.language for each in chosen) == {"en": 5, "de": 1}
    assert all(abs(len(each.text) - 1000) < 250 for each in chosen if each.language == "en")
    assert len({each.url for each in chosen}) == len(chosen)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniServer]:
    out = tmp_path_factory.mktemp("web")
    build_web(out, seed=5, pages=260)
    with MiniServer(out) as running:
        yield running


@pytest.mark.parametrize("index", ["cdx", "columnar"])
def test_a_build_goes_from_the_dump_through_the_index_to_matched_examples(
    server: MiniServer, tmp_path: Path, index: str, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = pq.read_table(server.folder / "truth.parquet").to_pylist()
    pages = [row["url"] for row in truth if row["status"] == 200 and row["duplicate_kind"] is None]
    hosts = sorted({url.split("/")[2] for url in pages})
    cited_hosts = set(hosts[: len(hosts) // 2])
    cited = [url for url in pages if url.split("/")[2] in cited_hosts]
    gone = ["https://gone.example.org/page", "https://web.archive.org/web/1/" + cited[0]]
    dump = new_dump(tmp_path / "enwiki-latest-externallinks.sql.gz", [*cited, *gone, cited[0].replace("https", "http")])
    server.faults = [Fault("503", "warc.gz", 2)]
    command = ["build", "wikipedia_reference", "--links", str(dump), "--mirror", server.mirror, "--index", index]
    command += ["--per-site", "4", "--negatives-mb", "2", "--cache", str(tmp_path)]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["links"]["links"] == len(cited) + 3 and report["links"]["archive"] == 1
    assert report["not_fetched"] == 0 and report["fetched"] == report["in_the_index"] > 10
    made = stored(tmp_path / "wikipedia" / "examples.parquet")
    positives = [each for each in made if each.label == "cited"]
    negatives = [each for each in made if each.label == "other"]
    assert len(positives) == report["positives"] > 10 and negatives
    assert {each.url for each in positives} <= set(cited)
    assert max(Counter(each.group for each in positives).values()) <= 4
    assert not {each.group for each in negatives} & {each.group for each in positives}
    asked = Counter(each.language for each in positives)
    assert all(count <= asked[name] for name, count in Counter(each.language for each in negatives).items())


def test_a_build_whose_pages_the_crawl_lacks_says_so(
    server: MiniServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = new_dump(tmp_path / "links.sql.gz", ["https://nowhere.example.org/a"])
    command = ["build", "wikipedia_reference", "--links", str(dump), "--mirror", server.mirror]
    assert main([*command, "--cache", str(tmp_path)]) == 2
    assert "none of 1 cited pages is in the index" in capsys.readouterr().err


def test_a_file_that_no_build_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "examples.parquet").write_bytes(b"")
    with pytest.raises(ModelError, match="not a file of `classifiers build"):
        stored(tmp_path / "examples.parquet")
