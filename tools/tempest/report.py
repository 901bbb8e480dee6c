"""What became of every test that was asked for: DIR/stream -> DIR/junit.xml and the last line.

Runs with Tempest's own Python. A test that did not run has not passed: it is counted as its
class's set-up ended, and as failed if nobody knows why it is missing.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import subunit
import testtools

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_OUTCOMES = {
    "success": PASSED,
    "xfail": PASSED,
    "skip": SKIPPED,
    "fail": FAILED,
    "uxsuccess": FAILED,
    "inprogress": FAILED,
}
_CLASS = re.compile(r"\w+ \(([\w.]+)\)")
# What XML 1.0 cannot hold.
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")
_LINES_SHOWN = 6


@dataclass
class Result:
    outcome: str
    text: str = ""
    seconds: float = 0.0


def main(folder: Path) -> int:
    wanted = lines(folder / "wanted")
    seen = read(folder / "stream")
    results = {test: result_of(test, seen) for test in wanted}
    for line in lines(folder / "left-out"):
        test, _, reason = line.partition(" ")
        results[test] = Result(SKIPPED, reason)
    # Nobody asked for these, but a cloud that cannot be left as it was found has failed.
    for test, result in seen.items():
        if result.outcome == FAILED and test.startswith("tearDownClass"):
            results[test] = result
    write_junit(folder / "junit.xml", results)
    return summary(results)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def read(path: Path) -> dict[str, Result]:
    """The last outcome of every test of a subunit v2 stream, by its name without tags."""
    found: dict[str, Result] = {}

    def note(test: testtools.testresult.real._StreamToTestRecord | dict) -> None:
        texts = {name: detail.as_text() for name, detail in test["details"].items()}
        begun, ended = test["timestamps"]
        found[test["id"].partition("[")[0]] = Result(
            _OUTCOMES.get(test["status"], FAILED),
            texts.get("reason") or texts.get("traceback") or "\n".join(texts.values()),
            (ended - begun).total_seconds() if begun and ended else 0.0,
        )

    into = testtools.StreamToDict(note)
    with path.open("rb") as stream:
        into.startTestRun()
        subunit.ByteStreamToStreamResult(stream, non_subunit_name="output").run(into)
        into.stopTestRun()
    found.pop("output", None)
    return found


def result_of(test: str, seen: dict[str, Result]) -> Result:
    """The test's own result, or that of its class's set-up."""
    if test in seen:
        return seen[test]
    of_class = test.rpartition(".")[0]
    for other, result in seen.items():
        match = _CLASS.fullmatch(other)
        if match and match[1] == of_class and result.outcome != PASSED:
            return Result(result.outcome, f"{other}: {result.text}")
    return Result(FAILED, "it did not run: no such test, or the run ended before")


def write_junit(path: Path, results: dict[str, Result]) -> None:
    counts = Counter(result.outcome for result in results.values())
    suite = ElementTree.Element(
        "testsuite",
        name="tempest",
        tests=str(len(results)),
        failures=str(counts[FAILED]),
        skipped=str(counts[SKIPPED]),
        time=f"{sum(result.seconds for result in results.values()):.3f}",
    )
    for test, result in sorted(results.items()):
        of_class, _, name = test.rpartition(".")
        case = ElementTree.SubElement(
            suite, "testcase", classname=of_class, name=name, time=f"{result.seconds:.3f}"
        )
        text = _UNPRINTABLE.sub("?", result.text)
        if result.outcome == FAILED:
            failure = ElementTree.SubElement(case, "failure", message=last_line(text))
            failure.text = text
        elif result.outcome == SKIPPED:
            ElementTree.SubElement(case, "skipped", message=text.strip())
    ElementTree.ElementTree(suite).write(path, encoding="unicode", xml_declaration=True)


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:300]


def summary(results: dict[str, Result]) -> int:
    """Say why tests were skipped and what failed; 0 if nothing did."""
    reasons = Counter(last_line(r.text) for r in results.values() if r.outcome == SKIPPED)
    for reason, number in reasons.most_common():
        print(f"skipped {number}: {reason}")
    for test, result in sorted(results.items()):
        if result.outcome == FAILED:
            print(f"\nFAILED {test}")
            print("\n".join("    " + line for line in result.text.splitlines()[-_LINES_SHOWN:]))
    counts = Counter(result.outcome for result in results.values())
    print(f"\n{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[SKIPPED]} skipped")
    return 1 if counts[FAILED] or not counts[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
