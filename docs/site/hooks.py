"""Hooks of the documentation site: pages that come from the code, and links that leave the folder `docs`.

The model cards and the tables of the benchmarks stay where they belong and become pages of the site. The API reference
has one page for each room of the package, made from its docstrings, so that a module which moves needs no change here.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "gliotype"

INCLUDED = {
    "src/gliotype/weights": "reference/cards",
    "benchmarks": "reference/tables",
}
"""Folders of the repository whose Markdown files become pages, and where those stand in the site."""

_TITLES = {"cards": "Model cards", "tables": "Tables of the benchmarks"}
_LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the generated pages to the navigation."""
    assert config.nav is not None, "mkdocs.yml has a navigation"
    reference = next(entry["Reference"] for entry in config.nav if "Reference" in entry)
    for folder, target in INCLUDED.items():
        pages = [f"{target}/{page.name}" for page in sorted((ROOT / folder).glob("*.md"))]
        reference.append({_TITLES[PurePosixPath(target).name]: pages})
    config.nav.append({"API": [{room: _api_page(room)} for room in rooms()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    for folder, target in INCLUDED.items():
        for page in sorted((ROOT / folder).glob("*.md")):
            files.append(File.generated(config, f"{target}/{page.name}", abs_src_path=str(page)))
    for room, modules in rooms().items():
        text = f"# {room}\n\n" + "\n".join(f"::: {module}\n" for module in modules)
        files.append(File.generated(config, _api_page(room), content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to files outside `docs` at the page that was made of them, or at the repository."""
    source = _in_repository(page.file.src_uri)

    def target(match: re.Match[str]) -> str:
        path = _normal(source.parent / match[1])
        inside = _in_site(path)
        if inside is None:
            return f"{str(config.repo_url or '').rstrip('/')}/blob/main/{path}"
        depth = len(PurePosixPath(page.file.src_uri).parent.parts)
        return "../" * depth + str(inside)

    return _LINK.sub(target, markdown)


def rooms() -> dict[str, list[str]]:
    """Modules of each room of the package that the API reference describes, by the room's import path."""
    found: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts) or "cli" in parts:
            continue
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        room = "gliotype" if len(parts) < 2 or file.parent == PACKAGE else ".".join(parts[:2])
        found.setdefault(room, []).append(".".join(parts))
    return found


def _api_page(room: str) -> str:
    return f"reference/api/{room.removeprefix('gliotype.')}.md"


def _in_repository(page: str) -> PurePosixPath:
    """Where the source of a page of the site lies in the repository."""
    for folder, target in INCLUDED.items():
        if page.startswith(f"{target}/"):
            return PurePosixPath(folder) / PurePosixPath(page).name
    return PurePosixPath("docs") / page


def _in_site(path: PurePosixPath) -> PurePosixPath | None:
    """Where a file of the repository stands in the site; None if it is not a part of it."""
    if path.parts[0] == "docs":
        return path.relative_to("docs")
    target = INCLUDED.get(str(path.parent))
    return PurePosixPath(target) / path.name if target and path.suffix == ".md" else None


def _normal(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)
