"""The engine `blocks` on invented articles in languages that its training pages have few of."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from curate.kernels.html import Page
from curate.stages.extract.blocks import BlockModel, extract_blocks
from curate.stages.extract.engines import Options

ARTICLES = {
    "de": (
        "Der Gemeinderat hat am Dienstag über die Ernte gesprochen, und die Bauern im Tal waren zufrieden.",
        "Die Mühle öffnet in diesem Jahr früher, weil die Scheunen voll sind; im Herbst folgt ein Fest.",
        ["Mehr zum Thema", "Neue Brücke wird im Mai eröffnet", "Alle Rechte vorbehalten", "Startseite"],
    ),
    "fr": (
        "Le conseil s'est réuni mardi pour parler de la récolte, et ses membres ont salué une saison clémente.",
        "Le moulin ouvrira plus tôt cette année, car les granges sont pleines ; une fête aura lieu en automne.",
        ["À lire aussi", "Le nouveau pont ouvrira en mai", "Tous droits réservés", "Accueil"],
    ),
    "zh": (
        "委员会星期二开会讨论今年的收成，委员们一致认为天气很好，山谷里的农民都说谷仓已经装满了。",
        "磨坊今年会提前开门，因为粮食比往年多；秋天还会举行一个节日，邻村的人也会来参加。",
        ["相关阅读", "新桥将于五月通车", "版权所有", "首页"],
    ),
    "ja": (
        "委員会は火曜日に今年の収穫について話し合い、天候に恵まれたと全員が認めた。谷の農家は納屋がいっぱいだと話した。",
        "水車小屋は例年より早く開く予定で、秋には祭りも開かれる。隣の村からも多くの人が訪れるという。",
        ["関連記事", "新しい橋が五月に開通", "無断転載を禁じます", "ホーム"],
    ),
    "ru": (
        "Во вторник совет собрался, чтобы обсудить урожай, и его члены согласились, что погода была хорошей.",
        "Мельница откроется в этом году раньше, потому что амбары полны; осенью в долине пройдёт праздник.",
        ["Читайте также", "Новый мост откроют в мае", "Все права защищены", "Главная"],
    ),
    "ar": (
        "اجتمع المجلس يوم الثلاثاء لمناقشة المحصول، واتفق الأعضاء على أن الطقس كان جيدا هذا العام.",
        "ستفتح الطاحونة أبوابها مبكرا هذا العام لأن المخازن ممتلئة، وسيقام احتفال في الوادي في الخريف.",
        ["اقرأ أيضا", "افتتاح الجسر الجديد في مايو", "جميع الحقوق محفوظة", "الرئيسية"],
    ),
    "ko": (
        "위원회는 화요일에 올해 수확에 대해 논의했으며, 위원들은 날씨가 좋았다는 데 동의했다.",
        "방앗간은 올해 더 일찍 문을 열 예정이며, 가을에는 골짜기에서 잔치가 열린다고 주민들은 말했다.",
        ["관련기사", "새 다리가 오월에 개통된다", "무단 전재 및 재배포 금지", "홈으로"],
    ),
}


def page(language: str, inside: str = "") -> str:
    first, second, (related, headline, rights, home) = ARTICLES[language]
    cards = "".join(f'<li class="card"><a href="/a{i}">{headline} {i}</a></li>' for i in range(5))
    return (
        f'<html lang="{language}"><head><title>{first[:20]}</title></head><body><header><nav><ul>'
        f'<li><a href="/">{home}</a><li><a href="/b">{related}</a></ul></nav></header><main><article>'
        f"<h1>{first[:20]}</h1><p>{first}</p><p>{second}</p>{inside}<p>{second} {first}</p></article>"
        f'<aside class="related"><h3>{related}</h3><ul>{cards}</ul></aside></main>'
        f'<footer class="footer"><p>© 2024 {rights}</p></footer></body></html>'
    )


@pytest.mark.parametrize("language", ARTICLES)
def test_an_article_is_kept_and_what_stands_around_it_is_not(language: str) -> None:
    first, second, furniture = ARTICLES[language]
    text = extract_blocks(page(language), Options()).text
    assert text.count(first) == text.count(second) == 2
    assert not [words for words in furniture if words in text]


class ByFirstLetter:
    """Judges blocks by how they begin."""

    def __init__(self, source: str, odds: dict[str, float]) -> None:
        self.source, self.odds_of = source.encode(), odds

    def odds(self, page: Page, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        texts = (self.source[page.start[s] :].decode() for s in page.first_segment[:-1])
        return np.array([next((odds for start, odds in self.odds_of.items() if text.startswith(start)), -9.0)
                         for text in texts])  # fmt: skip


def test_html_that_is_escaped_by_mistake_does_not_count_when_blocks_are_chosen() -> None:
    """It is never written, but its address has more words than a paragraph of Japanese, which has few spaces and stops:
    beside it, a doubtful advertisement would cost little."""
    address = "https://ads.example/b?P=oI9&amp;T=16&amp;X=14/" + "Y=a/F=7/" * 20
    counter = f'<div><img width=1 src="{address}"></div>'.replace("<", "&lt;").replace(">", "&gt;")
    first, second, _ = ARTICLES["ja"]
    advertisement = "今なら、お得な特典付き！"
    html = f"<p>{first}<p>{second}" + f"<div>{advertisement}</div><noscript>{counter}</noscript>" * 4
    odds = {first: 3.0, second: 3.0, advertisement: -0.6, "&lt;": 0.2}
    model = cast("BlockModel", ByFirstLetter(html, odds))
    assert extract_blocks(html, Options(), model).text == f"{first}\n{second}"
