"""Asking the hub what a download would be: which files, how large, under which licence. Nothing is fetched here.

The hub's own library is imported in the functions: it takes a few tenths of a second, and who only opens the window does not need it.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from editor.diffusion.families.base import Families, Family
from editor.diffusion.families.registry import FAMILIES
from editor.errors import EditorError, ModelUnavailable
from editor.models.device import INSTALL, NOT_INSTALLED
from editor.models.listing import MAX_LISTING, ListedFile, Listing, NotAListing, parse_listing
from editor.models.web import Unusable, fetch

log = logging.getLogger(__name__)

HUB = "https://huggingface.co"
TIMEOUT = 15.0  # seconds until a hub that does not answer is given up
DEADLINE = 60.0  # seconds for a whole listing
MAX_SMALL = 64  # files beside the weights of one part, and below, bytes of each
SMALL_SIZE = 64 * 2**20

BESIDE = frozenset({"feature_extractor"})  # what published models have beside what their families read
WEIGHTS = re.compile(
    r"(?P<stem>diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?P<shard>-\d+-of-\d+)?\.safetensors"
)
INDEX = re.compile(r"(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.(?P<variant>\w+))?\.json")
# The licence goes with the model, and the card says whose it is.
TOP = frozenset({"model_index.json", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"})
# What stands beside the weights of a CLIP model, which ranks.
CLIP = frozenset(
    {"config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"}
)
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to fetch. `source`: hub id; `commit`: 40 hex digits; `path`: in the repository. `local`: where it belongs, below the models
    folder. `part`: the part of the model it is of, for people. `size`: bytes. `sha256`: of large files, else empty; `blob`: git's hash.
    """

    source: str
    commit: str
    path: str
    local: str
    part: str
    size: int
    sha256: str
    blob: str


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What a download would fetch. `endpoint`: the hub's address, empty for the usual one. `family`: None when the hub does not say.
    `half`: whether weights come in half precision where there are such. `gated`: its makers ask for consent first. `ranks`: it is a CLIP model,
    which paints nothing.
    """

    id: str
    revision: str
    endpoint: str
    files: tuple[RemoteFile, ...]
    licence: str
    gated: bool
    family: Family | None
    half: bool
    ranks: bool = False

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def page(self) -> str:
        """Where people read about it."""
        return f"{self.endpoint.rstrip('/') or HUB}/{self.id}"

    def folder(self, models: Path) -> Path:
        """Where the model will be, below the folder of models."""
        return models / self.id


def tidy_id(text: str) -> str:
    """The hub id in what a person typed or pasted, also the address of its page. Raises `ModelUnavailable` when there is none."""
    words = text.strip()
    if "://" in words:
        words = "/".join(words.split("://", 1)[1].split("/")[1:3])
    words = words.split("?")[0].strip("/")
    if not ID.fullmatch(words) or ".." in words or "--" in words:
        raise ModelUnavailable(
            f"“{text.strip()}” is not the id of a model.", "Ids look like owner/name, as on the model's page."
        )
    return words


def plan_download(
    id: str,
    revision: str = "",
    endpoint: str = "",
    token: str = "",
    *,
    half: bool = True,
    families: Families = FAMILIES,
) -> DownloadPlan:
    """Ask the hub what getting this model means; takes as long as the network does.

    `half`: half precision where the model comes in it. Only `safetensors` weights and the small files beside them are taken. What a
    model needs beside it comes along. Raises `ModelUnavailable`.
    """
    id = tidy_id(id)
    listing = _listing(id, revision, endpoint, token)
    files = _choose(id, listing, half, families)
    family = _family(id, listing.class_name, {file.part for file in files}, families)
    companion = "" if family is None else family.companion_id(id)
    if companion:
        files += _choose(companion, _listing(companion, "", endpoint, token), half, families)
    return DownloadPlan(
        id,
        listing.commit or revision or "main",
        endpoint,
        tuple(files),
        listing.licence,
        listing.gated,
        family,
        half,
        _ranks(listing),
    )


def access(endpoint: str, token: str) -> str | bool | None:
    """Which token the hub's library may send: the given one; on a mirror that was set here never the person's stored one."""
    return token or (False if endpoint else None)


def explain(error: Exception, id: str, endpoint: str = "") -> EditorError:
    """What an error of the hub's library means, for people."""
    import httpx2  # noqa: PLC0415
    from huggingface_hub import constants, errors  # noqa: PLC0415

    page = f"{endpoint or constants.ENDPOINT}/{id}"
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
    match error:
        case errors.OfflineModeIsEnabled():
            return ModelUnavailable(
                "Downloads are switched off (HF_HUB_OFFLINE is set).",
                "Start without it to download, or add a model that is on this computer.",
            )
        case errors.GatedRepoError():
            return ModelUnavailable(
                f"The makers of “{id}” ask for consent first.",
                f"Log in at {page} and accept the licence; then give an access token, with `hf auth login` or in HF_TOKEN, "
                "and try again.",
            )
        case errors.RevisionNotFoundError():
            return ModelUnavailable(f"“{id}” has no such version.", "Leave the version out to get the newest.")
        case errors.EntryNotFoundError():
            return ModelUnavailable(f"A file of “{id}” is gone from the hub.", "Look the model up again.")
        case errors.RepositoryNotFoundError():
            return ModelUnavailable(
                f"There is no model “{id}” on the hub, or it is private.",
                "Check the spelling; for a private model give an access token, with `hf auth login` or in HF_TOKEN.",
            )
        case errors.HfHubHTTPError() if status in (401, 403):
            return ModelUnavailable(
                "The hub did not accept the access token.",
                "Make a new one in your settings there, and give it with `hf auth login` or in HF_TOKEN.",
            )
        case errors.HfHubHTTPError():
            return ModelUnavailable(f"The hub answered with an error ({status}).", "Try again in a few minutes.")
        case Unusable() | NotAListing():
            log.warning("What %s answered about %s is not usable: %s", endpoint or constants.ENDPOINT, id, error)
            return ModelUnavailable(
                f"What answered at {endpoint or constants.ENDPOINT} is not a model hub.",
                "Check the address of the mirror.",
            )
        case httpx2.TransportError() | OSError():
            return ModelUnavailable(
                "The hub cannot be reached.",
                "Check the network, or set a mirror; models on this computer work without.",
            )
        case _:
            return ModelUnavailable(
                f"What answered at {endpoint or constants.ENDPOINT} is not a model hub.",
                "Check the address of the mirror.",
            )


def _listing(id: str, revision: str, endpoint: str, token: str) -> Listing:
    try:
        import httpx2  # noqa: F401, PLC0415
        from huggingface_hub import constants  # noqa: PLC0415
        from huggingface_hub.utils import build_hf_headers  # noqa: PLC0415
    except ImportError as error:
        raise ModelUnavailable(NOT_INSTALLED, INSTALL) from error
    url = f"{endpoint.rstrip('/') or constants.ENDPOINT}/api/models/{id}"
    if revision:
        url += f"/revision/{quote(revision, safe='')}"
    try:
        headers = build_hf_headers(token=access(endpoint, token))
        body = fetch(f"{url}?blobs=true", headers, limit=MAX_LISTING, stall=TIMEOUT, deadline=DEADLINE)
        return parse_listing(body)
    except Exception as error:  # a hub's library raises of every kind about what a server may answer
        if not isinstance(error, (Unusable, NotAListing)):
            log.info("Asking for %s failed", id, exc_info=True)
        raise explain(error, id, endpoint) from error


def _family(id: str, class_name: str, parts: Set[str], families: Families) -> Family | None:
    half = families.half(class_name)
    if half is not None:
        raise ModelUnavailable(f"“{id}” {half.fetch_problem}", half.fetch_advice)
    family = families.of(class_name, parts)
    if class_name and family is None:
        raise ModelUnavailable(
            f"“{id}” is of a kind this program cannot use ({class_name[:60]}).",
            f"Choose a model of one of these kinds: {families.words}; none made for inpainting only.",
        )
    return family


def _choose(id: str, listing: Listing, half: bool, families: Families) -> list[RemoteFile]:
    """The files that are needed. The kind of pipeline is judged only afterwards, since a listing may leave it out."""
    folders: defaultdict[str, list[ListedFile]] = defaultdict(list)
    for file in listing.files:
        if "/" not in file.folder:
            folders[file.folder].append(file)
    if _ranks(listing):
        chosen = [_remote(id, listing, file, "model") for file in folders[""] if file.path in TOP | CLIP]
        return chosen + [_remote(id, listing, weight, "model") for weight in _weights(id, "model", folders[""], half)]
    if not any(file.path == "model_index.json" for file in folders[""]):
        return [_remote(id, listing, _single_file(id, folders[""]), "model")]
    chosen = [_remote(id, listing, file, "model") for file in folders[""] if file.path in TOP]
    networks = families.network_folders
    for folder in sorted(folders.keys() & (networks | families.small_folders | BESIDE)):
        small = [file for file in folders[folder] if _small(file)]
        if len(small) > MAX_SMALL:
            raise ModelUnavailable(f"“{id}” lists far too many files for its {folder}.", "Choose another model.")
        chosen += [_remote(id, listing, file, folder) for file in small]
        if folder in networks:
            chosen += [_remote(id, listing, weight, folder) for weight in _weights(id, folder, folders[folder], half)]
    return chosen


def _ranks(listing: Listing) -> bool:
    """Whether it is a CLIP model: the hub says so, or, where a mirror leaves that out, its files do."""
    names = {file.path for file in listing.files}
    if "model_index.json" in names:
        return False
    declared = listing.kind or listing.class_name
    return listing.kind == "clip" or (
        not declared and {"config.json", "preprocessor_config.json", "merges.txt"} <= names
    )


def _small(file: ListedFile) -> bool:
    return (
        file.name.endswith((".json", ".txt", ".model"))
        and ".index." not in file.name
        and (file.size or 0) <= SMALL_SIZE
    )


def _weights(id: str, folder: str, files: Sequence[ListedFile], half: bool) -> Iterable[ListedFile]:
    variants: defaultdict[str, list[ListedFile]] = defaultdict(list)
    for file in files:
        name = file.name
        if match := WEIGHTS.fullmatch(name) or INDEX.fullmatch(name):
            variants[match["variant"] or ""].append(file)
    for variant in ("fp16", "") if half else ("", "fp16"):
        if weights := variants[variant]:
            whole = [file for file in weights if WEIGHTS.fullmatch(file.name) and "-of-" not in file.path]
            return whole or weights
    if any(file.path.endswith(PICKLES) for file in files):
        raise pickles_only(id)
    raise ModelUnavailable(
        f"“{id}” has no weights for its {folder} that can be used.", "Choose another model or another version of it."
    )


def _single_file(id: str, files: Sequence[ListedFile]) -> ListedFile:
    checkpoints = [file for file in files if file.path.endswith(".safetensors")]
    if len(checkpoints) == 1:
        return checkpoints[0]
    if checkpoints:
        raise ModelUnavailable(
            f"“{id}” holds {len(checkpoints)} checkpoints.",
            "Download the one you want in a browser, then add the file here.",
        )
    if any(file.path.endswith(PICKLES) for file in files):
        raise pickles_only(id)
    raise ModelUnavailable(f"“{id}” holds no picture model.", "Choose one in the diffusers format.")


def pickles_only(id: str) -> ModelUnavailable:
    """Why weights that may hold programs are not fetched."""
    return ModelUnavailable(
        f"“{id}” offers its weights only as pickle files, which can run any program when they are opened.",
        "Choose a model with .safetensors files; many pages offer a converted version.",
    )


def _remote(id: str, listing: Listing, file: ListedFile, part: str) -> RemoteFile:
    if file.size is None or not listing.commit:
        raise ModelUnavailable(f"The hub does not say how large “{id}” is.", "Try again, or without a mirror.")
    # A half-precision file takes the plain name, so that every program finds it; the parts of a split one are named in its index.
    folder, _, name = file.path.rpartition("/")
    match = WEIGHTS.fullmatch(name)
    if match and match["variant"] and not match["shard"]:
        name = f"{match['stem']}.safetensors"
    local = "/".join(filter(None, (id, folder, name)))
    return RemoteFile(id, listing.commit, file.path, local, part, file.size, file.sha256, file.blob)
