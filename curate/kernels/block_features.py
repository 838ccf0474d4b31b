"""What a model needs to know of each block of a page: itself, its ancestors, its neighbours, its page.

In go the arrays of `curate.kernels.html`, out comes a float32 matrix [blocks, FEATURES]. Sums over subtrees and
windows come from prefix sums over blocks, so the cost is linear in blocks and elements.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.block_feature_names import (
    FAR,
    GROUP_OF,
    GROUPS,
    LEVELS,
    N_CLASSES,
    N_FEATURES,
    N_GROUPS,
    N_PAGE,
    N_TEXTS,
    OFFSETS,
)
from curate.kernels.block_groups import count_keys
from curate.kernels.compiled import allocating_kernel
from curate.kernels.html import Page
from curate.kernels.html_measure import (
    C_BOLD,
    C_BULLETS,
    C_CAPITALS,
    C_CHARS,
    C_CJK,
    C_CODE,
    C_COMMAS,
    C_DIGITS,
    C_LINK,
    C_POSITION,
    C_STOPS,
    C_TITLE,
    C_WORDS,
)

G_P, G_HEADING, G_LI, G_CELL, G_MAIN, G_ARTICLE = (
    list(GROUPS).index(name) for name in ("p", "heading", "li", "cell", "main", "article")
)
T_H1, T_H6, T_ARTICLE = markup.CODE["h1"], markup.CODE["h6"], markup.CODE["article"]
B_FORUM, B_PRODUCT, B_COMMENT, B_CARD = (
    markup.CLASS_NAMES.index(name) for name in ("forum", "product", "comment", "card")
)


@allocating_kernel
def _features(
    tag, parent, node_bits, signature, first_block, last_block, block_node, counts, inline_bits, text_bits, text_hash,
    hints, page_bytes,
):  # fmt: skip
    n, nodes = len(block_node), len(tag)
    out = np.empty((n, N_FEATURES), np.float32)
    if n == 0:
        return out
    # Prefix sums over blocks: characters, link characters, stops and commas.
    sums, logs = np.zeros((n + 1, 3), np.float64), np.empty(n, np.float64)
    for b in range(n):
        sums[b + 1, 0] = sums[b, 0] + counts[b, C_CHARS]
        sums[b + 1, 1] = sums[b, 1] + counts[b, C_LINK]
        sums[b + 1, 2] = sums[b, 2] + counts[b, C_STOPS] + counts[b, C_COMMAS]
        logs[b] = np.log(max(counts[b, C_CHARS], 1))
    total = max(sums[n, 0], 1.0)
    # Per element: distances to ancestors by group and class word, depth, path hash, readability-like score.
    groups = np.full((nodes, N_GROUPS), FAR, np.uint8)
    classes = np.full((nodes, N_CLASSES), FAR, np.uint8)
    depth, path = np.zeros(nodes, np.int32), np.zeros(nodes, np.int64)
    forum, product, comment, card, articles = 0, 0, 0, 0, 0
    for e in range(1, nodes):
        up = parent[e]
        for g in range(N_GROUPS):
            groups[e, g] = groups[up, g] + (groups[up, g] < FAR)
        for c in range(N_CLASSES):
            classes[e, c] = classes[up, c] + (classes[up, c] < FAR)
        if GROUP_OF[tag[e]] >= 0:
            groups[e, GROUP_OF[tag[e]]] = 0
        bits, c = node_bits[e], 0
        while bits:
            if bits & 1:
                classes[e, c] = 0
            bits >>= 1
            c += 1
        depth[e] = depth[up] + 1
        path[e] = (path[up] * 1000003 + signature[e]) & 0xFFFFFFFFFFFF
        forum += (node_bits[e] >> B_FORUM) & 1
        product += (node_bits[e] >> B_PRODUCT) & 1
        comment += (node_bits[e] >> B_COMMENT) & 1
        card += (node_bits[e] >> B_CARD) & 1
        articles += tag[e] == T_ARTICLE
    score = np.zeros(nodes, np.float64)
    for b in range(n):
        e = block_node[b]
        characters = counts[b, C_CHARS]
        if characters < 25:
            continue
        plain = 1.0 - counts[b, C_LINK] / characters
        worth = (1 + counts[b, C_COMMAS] + counts[b, C_STOPS] + min(characters / 100, 3)) * plain
        score[parent[e]] += worth
        score[parent[parent[e]]] += worth / 2
    best = 0
    for e in range(nodes):
        inside = max(sums[last_block[e], 0] - sums[first_block[e], 0], 1.0)
        score[e] *= 1 - (sums[last_block[e], 1] - sums[first_block[e], 1]) / inside
        if score[e] > score[best]:
            best = e
    best_first, best_last = first_block[best], last_block[best]
    # Repetition: siblings of one shape, blocks of one path, blocks of one text.
    sibling_keys = np.empty(nodes, np.int64)
    for e in range(nodes):
        sibling_keys[e] = (np.int64(parent[e]) << 32) ^ signature[e]
    sibling_first, sibling_number = count_keys(sibling_keys)
    path_keys = np.empty(n, np.int64)
    for b in range(n):
        path_keys[b] = path[block_node[b]]
    path_first, path_number = count_keys(path_keys)
    text_first, text_number = count_keys(text_hash)
    path_sums = np.zeros((n, 2), np.float64)
    largest_path = 0.0
    shares = np.zeros(8, np.float64)
    for b in range(n):
        characters, e = counts[b, C_CHARS], block_node[b]
        path_sums[path_first[b], 0] += characters
        path_sums[path_first[b], 1] += counts[b, C_LINK]
        largest_path = max(largest_path, path_sums[path_first[b], 0])
        shares[0] += characters if groups[e, G_P] < FAR else 0
        shares[1] += characters if groups[e, G_LI] < FAR else 0
        shares[2] += characters if groups[e, G_CELL] < FAR else 0
        shares[3] += characters if groups[e, G_ARTICLE] < FAR else 0
        shares[4] += characters if groups[e, G_MAIN] < FAR else 0
        shares[5] += characters if groups[e, G_HEADING] < FAR else 0
        shares[6] += counts[b, C_CODE]
        shares[7] += counts[b, C_CJK]
    next_heading = np.full(n, 99, np.int32)
    for b in range(n - 2, -1, -1):
        heading = T_H1 <= tag[block_node[b + 1]] <= T_H6
        next_heading[b] = 1 if heading else min(next_heading[b + 1] + 1, 99)
    of_page = np.empty(N_PAGE + len(hints), np.float32)
    of_page[0] = np.log(total)
    of_page[1] = n
    of_page[2] = sums[n, 1] / total
    of_page[3] = 100 * sums[n, 2] / total
    for k in range(6):
        of_page[4 + k] = shares[k] / total
    of_page[10] = articles
    of_page[11] = shares[6] / total
    of_page[12] = forum
    of_page[13] = product
    of_page[14] = comment
    of_page[15] = card
    of_page[16] = largest_path / total
    of_page[17] = shares[7] / total
    of_page[N_PAGE:] = hints
    since_h1, since_heading, heading_level, heading_at = 0, 99, 0, 0.0
    h1_seen = False
    for b in range(n):
        row, own, e = out[b], counts[b], block_node[b]
        characters = max(own[C_CHARS], 1)
        level = tag[e] - T_H1 + 1 if T_H1 <= tag[e] <= T_H6 else 0
        f = 0
        row[f] = logs[b]
        row[f + 1] = own[C_WORDS]
        row[f + 2] = characters / max(own[C_WORDS], 1)
        row[f + 3] = own[C_DIGITS] / characters
        row[f + 4] = own[C_CAPITALS] / characters
        row[f + 5] = own[C_COMMAS]
        row[f + 6] = own[C_STOPS]
        row[f + 7] = own[C_LINK] / characters
        row[f + 8] = own[7]
        row[f + 9] = own[C_BOLD] / characters
        row[f + 10] = own[9]
        row[f + 11] = own[C_TITLE] / max(own[C_WORDS], 1)
        row[f + 12] = own[C_CODE] / characters
        row[f + 13] = own[C_BULLETS]
        row[f + 14] = own[13]
        row[f + 15] = own[C_CJK] / characters
        row[f + 16] = own[15]
        row[f + 17] = own[16]
        row[f + 18] = own[18]
        row[f + 19] = own[19]
        row[f + 20] = own[20]
        row[f + 21] = level
        row[f + 22] = tag[e]
        f += 23
        for g in range(N_GROUPS):
            row[f + g] = groups[e, g]
        f += N_GROUPS
        for c in range(N_CLASSES):
            row[f + c] = 0 if (inline_bits[b] >> c) & 1 else classes[e, c]
        f += N_CLASSES
        for t in range(N_TEXTS):
            row[f + t] = (text_bits[b] >> t) & 1
        f += N_TEXTS
        if level:
            since_heading, heading_level, heading_at = 0, level, sums[b, 0]
        if level == 1:
            h1_seen, since_h1 = True, 0
        row[f] = b
        row[f + 1] = b / n
        row[f + 2] = n - b
        row[f + 3] = sums[b, 0] / total
        row[f + 4] = own[C_POSITION] / page_bytes
        row[f + 5] = depth[e]
        row[f + 6] = since_h1
        row[f + 7] = h1_seen
        row[f + 8] = since_heading
        row[f + 9] = heading_level
        row[f + 10] = np.log(1 + sums[b, 0] - heading_at)
        row[f + 11] = next_heading[b]
        f += 12
        since_h1 += 1
        since_heading = min(since_heading + 1, 99)
        # Containers: the ancestors that hold more blocks than the one below.
        up, first, last = e, b, b + 1
        for _ in range(LEVELS):
            while up > 0 and last_block[up] - first_block[up] <= last - first:
                up = parent[up]
            first, last = min(first_block[up], b), max(last_block[up], b + 1)
            if up == 0:
                first, last = 0, n
            inside = max(sums[last, 0] - sums[first, 0], 1.0)
            row[f] = np.log(inside)
            row[f + 1] = last - first
            row[f + 2] = (sums[last, 1] - sums[first, 1]) / inside
            row[f + 3] = 100 * (sums[last, 2] - sums[first, 2]) / inside
            row[f + 4] = (b - first) / (last - first)
            f += 5
        row[f] = best_first <= b < best_last
        row[f + 1] = max(depth[e] - depth[best], -1)
        row[f + 2] = 0 if best_first <= b < best_last else (b - best_last + 1 if b >= best_last else b - best_first)
        row[f + 3] = (sums[best_last, 0] - sums[best_first, 0]) / total
        f += 4
        up = e
        for k in range(3):
            row[f + k] = sibling_number[sibling_first[up]] if up else 0
            up = parent[up]
        k = path_first[b]
        inside = max(path_sums[k, 0], 1.0)
        row[f + 3] = path_number[k]
        row[f + 4] = inside / total
        row[f + 5] = path_sums[k, 1] / inside
        row[f + 6] = inside / path_number[k]
        row[f + 7] = text_number[text_first[b]]
        f += 8
        for offset in OFFSETS:
            other = b + offset
            if 0 <= other < n:
                there = max(counts[other, C_CHARS], 1)
                row[f] = logs[other]
                row[f + 1] = counts[other, C_LINK] / there
                row[f + 2] = counts[other, C_STOPS]
                row[f + 3] = T_H1 <= tag[block_node[other]] <= T_H6
                row[f + 4] = parent[block_node[other]] == parent[e]
                row[f + 5] = path_keys[other] == path_keys[b]
            else:
                row[f] = row[f + 1] = -1
                row[f + 2] = row[f + 3] = row[f + 4] = row[f + 5] = 0
            f += 6
        for width in (5, 12):
            first, last = max(b - width, 0), min(b + width + 1, n)
            inside = max(sums[last, 0] - sums[first, 0], 1.0)
            row[f] = np.log(inside / (last - first))
            row[f + 1] = (sums[last, 1] - sums[first, 1]) / inside
            f += 2
        row[f:] = of_page
    return out


def features(page: Page, hints: npt.NDArray[np.float32], page_bytes: int) -> npt.NDArray[np.float32]:
    """[blocks, FEATURES] of a scanned page; `hints` are its HINTS, `page_bytes` its size."""
    return _features(  # type: ignore[no-any-return]
        page.tag, page.parent, page.bits, page.signature, page.first_block, page.last_block, page.node, page.counts,
        page.inline_bits, page.text_bits, page.text_hash, hints, page_bytes,
    )  # fmt: skip
