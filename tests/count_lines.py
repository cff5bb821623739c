"""Count lines of code by folder: no blanks, no comments, no docstrings.

    python -m tests.count_lines            # print the table
    python -m tests.count_lines --write    # put it into README.md, between the two markers

README's map shows the table, and `test_count_lines.py` holds README to it.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, README = ROOT / "minicache", ROOT / "README.md"
START, END = "<!-- lines of code: python -m tests.count_lines --write -->\n", "<!-- /lines -->"
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER),
    *(tokenize.INDENT, tokenize.DEDENT),
}


def lines_of_code(source: str) -> int:
    """The lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:  # a string that stands alone documents a module, a class, a function, a name
            case ast.Expr(value=ast.Constant(value=str()), lineno=first, end_lineno=int(last)):
                lines.difference_update(range(first, last + 1))
    return len(lines)


def counts(package: Path = PACKAGE) -> dict[str, int]:
    """Lines of code of each module and folder directly in the package, by name."""
    found: dict[str, int] = {}
    for file in sorted(package.rglob("*.py")):
        first, *inner = file.relative_to(package).parts
        where = f"{first}/" if inner else first
        found[where] = found.get(where, 0) + lines_of_code(file.read_text("utf-8"))
    return found


def core() -> int:
    """Lines from `errors` to `cache`, with `analysis/` but `patching`. The goal is 1,000."""
    of = counts()
    modules = (
        "errors.py",
        "shared_memory.py",
        "devices.py",
        "names.py",
        "slices.py",
        "autodiff.py",
        "cache.py",
    )
    patching = sum(
        lines_of_code(file.read_text("utf-8"))
        for file in (PACKAGE / "analysis" / "patching").rglob("*.py")
    )
    return sum(of[name] for name in (*modules, "hooks/", "analysis/")) - patching


def table() -> str:
    """The table that README shows."""
    rows = [f"| `{name}` | {count:,} |" for name, count in sorted(counts().items())]
    total = f"| together | {sum(counts().values()):,} |"
    return "\n".join(["| `minicache/` | lines of code |", "|---|--:|", *rows, total]) + "\n"


def main() -> int:
    """Print the table, or write it."""
    if "--write" in sys.argv[1:]:
        text = README.read_text("utf-8")
        head, rest = text.split(START)
        _, tail = rest.split(END)
        README.write_text(head + START + table() + END + tail, "utf-8")
    else:
        print(table(), f"errors to cache, with analysis but patching: {core():,}", sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
