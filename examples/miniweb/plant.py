"""What is planted in pages, with its place known: personal data of every usual type, and benchmark questions.

Every value is invented: numbers with right check digits, addresses in ranges set aside or unassigned to people.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from random import Random

from examples.miniweb.page import Block, Page
from examples.miniweb.prose import patterns
from examples.miniweb.world import World


def _digits(rng: Random, n: int) -> str:
    return "".join(rng.choices("0123456789", k=n))


def luhn(body: str) -> str:
    """The check digit that makes `body` + digit pass Luhn's test (ISO/IEC 7812-1)."""
    total = 0
    for at, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def credit_card(rng: Random) -> str:
    body = rng.choice(["4", "51", "55", "34"])
    body += _digits(rng, (14 if body == "34" else 15) - len(body))
    number = body + luhn(body)
    return number if rng.random() < 0.4 or len(number) == 15 else " ".join(number[i : i + 4] for i in range(0, 16, 4))


def iban(rng: Random) -> str:
    """A German or French length, with the mod-97 check digits of ISO 13616."""
    country, length = rng.choice([("DE", 18), ("FR", 23), ("NL", 0)])
    account = "ABNA" + _digits(rng, 10) if country == "NL" else _digits(rng, length)
    as_number = "".join(str(int(c, 36)) for c in account + country + "00")
    return f"{country}{98 - int(as_number) % 97:02d}{account}"


def bitcoin(rng: Random) -> str:
    """A pay-to-public-key-hash address with its checksum: Base58 of version, 20 bytes, double SHA-256."""
    payload = b"\x00" + rng.randbytes(20)
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, out = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = alphabet[rest] + out
    return "1" + out


def phone(rng: Random) -> str:
    """555-01xx is set aside for fiction in North America."""
    area, last = rng.choice(["212", "415", "617", "312"]), f"01{_digits(rng, 2)}"
    return rng.choice([f"({area}) 555-{last}", f"+1 {area} 555 {last}", f"{area}-555-{last}"])


def ip_address(rng: Random) -> str:
    """44.128.0.0/10 is the amateur radio network, which assigns no addresses to homes."""
    return f"44.{rng.randint(128, 191)}.{rng.randint(1, 254)}.{rng.randint(1, 254)}"


def ssn(rng: Random) -> str:
    """Right in form; area numbers 900 and up were never given, so 7xx ones that were retired are used."""
    return f"{rng.randint(750, 763)}-{rng.randint(20, 98)}-{rng.randint(1001, 9998)}"


def mac(rng: Random) -> str:
    return ":".join(f"{byte:02x}" for byte in rng.randbytes(6))


def secret(rng: Random) -> str:
    """Prefixes by which well-known services' tokens are told, with random rest."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    rest = "".join(rng.choices(letters, k=36))
    return rng.choice([f"ghp_{rest}", "AKIA" + "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))])


def email(rng: Random) -> str:
    """Names at invented hosts; some hosts end in a real top-level domain, as a rule for e-mail may ask for one."""
    word = base64.b32encode(rng.randbytes(5)).decode().lower()
    user = rng.choice(["info", "anna", "j.keller", "office", "maria_b", "tom"])
    return f"{user}.{word[:3]}@{word[3:8]}-mail.{rng.choice(['com', 'org', 'net'])}"


PLANTS: dict[str, tuple[Callable[[Random], str], str]] = {
    "email": (email, "For questions write to {v} or use the form below."),
    "phone": (phone, "You can call us on {v} between nine and five."),
    "ip_address": (ip_address, "The last login came from {v} late at night."),
    "credit_card": (credit_card, "He paid with the credit card {v} and kept the receipt."),
    "iban": (iban, "Please transfer the fee to the account {v} before Friday."),
    "ssn": (ssn, "The form shows the social security number {v} in the second line."),
    "mac": (mac, "The router answered with the MAC address {v} after a restart."),
    "bitcoin": (bitcoin, "Donations in bitcoin go to {v} as before."),
    "secret": (secret, "Someone had left the API key {v} in the example file."),
}


def plant_pii(page: Page, rng: Random, kinds: list[str]) -> None:
    """A sentence for each kind at the end of a random paragraph; the page remembers type and value."""
    paragraphs = [at for at, block in enumerate(page.blocks) if block.tag == "p"]
    for kind in kinds:
        make, frame = PLANTS[kind]
        value = make(rng)
        at = rng.choice(paragraphs)
        page.blocks[at] = Block("p", f"{page.blocks[at].text} {frame.replace('{v}', value)}")
        page.pii.append((kind, value))


def spans(page: Page) -> list[dict[str, object]]:
    """Type, value and character offsets of each planted value in the page's gold text."""
    gold, out = page.gold(), []
    for kind, value in page.pii:
        start = gold.find(value)
        if start < 0:
            raise ValueError(f"{page.url}: planted {kind} is not in its gold text")
        out.append({"type": kind, "value": value, "start": start, "end": start + len(value)})
    return out


def questions(world: World, rng: Random, count: int) -> list[dict[str, object]]:
    """A little benchmark about the world, in the plain form {benchmark, split, id, text, answer}; long enough for
    13-word overlap to be meant and not met by chance."""
    out = []
    facts = world.facts()
    for at, fact in enumerate(rng.sample(facts, count)):
        ask = patterns()["ask"][fact.relation][0].replace("{s}", fact.subject)
        pool = [value for value in world.pools[fact.pool] if value != fact.object]
        options = [*rng.sample(pool, min(3, len(pool))), fact.object]
        rng.shuffle(options)
        listed = ", ".join(f"({letter}) {value}" for letter, value in zip("ABCD", options, strict=False))
        text = (
            f"A traveller who has read the old guide books wants to check one detail before the journey begins. "
            f"{ask} Choose one of the following answers and explain your choice in one line: {listed}."
        )
        out.append({"benchmark": "miniweb_quiz", "split": "test", "id": f"quiz-{at:03d}", "text": text,
                    "answer": fact.object})  # fmt: skip
    return out
