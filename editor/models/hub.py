"""Asking the hub what a download would be: which files, how large, under which licence. Nothing is fetched here.

The hub's own library is imported in the functions: it takes a few tenths of a second, and who only opens the window does not need it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from editor.errors import EditorError, ModelUnavailable
from editor.models.catalogue import KANDINSKY_PRIOR
from editor.models.device import INSTALL, NOT_INSTALLED
from editor.models.info import FamilyName
from editor.models.inspect import CLASSES, PRIOR_CLASS

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo as Listing
    from huggingface_hub.hf_api import RepoSibling

HUB = "https://huggingface.co"
TIMEOUT = 15.0  # seconds until a hub that does not answer is given up

NETWORKS = frozenset({"unet", "vae", "movq", "text_encoder", "text_encoder_2", "image_encoder", "prior"})
PLAIN = frozenset({"scheduler", "tokenizer", "tokenizer_2", "feature_extractor", "image_processor"})
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
    family: FamilyName | None
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
    id: str, revision: str = "", endpoint: str = "", token: str = "", *, half: bool = True
) -> DownloadPlan:
    """Ask the hub what getting this model means; takes as long as the network does.

    `half`: half precision where the model comes in it. Only `safetensors` weights and the small files beside them are taken. A Kandinsky
    decoder brings its prior. Raises `ModelUnavailable`.
    """
    id = tidy_id(id)
    listing = _listing(id, revision, endpoint, token)
    class_name = str(((listing.config or {}).get("diffusers") or {}).get("_class_name") or "")
    files = _choose(id, listing, half)
    family = _family(id, class_name, {file.part for file in files})
    if family == "kandinsky-2.2":
        prior = id.removesuffix("-decoder") + "-prior" if id.endswith("-decoder") else KANDINSKY_PRIOR
        files += _choose(prior, _listing(prior, "", endpoint, token), half)
    return DownloadPlan(
        id,
        listing.sha or revision or "main",
        endpoint,
        tuple(files),
        _licence(listing),
        bool(listing.gated),
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
        import httpx2  # noqa: PLC0415
        from huggingface_hub import HfApi  # noqa: PLC0415
    except ImportError as error:
        raise ModelUnavailable(NOT_INSTALLED, INSTALL) from error
    api = HfApi(endpoint=endpoint.rstrip("/") or None, token=access(endpoint, token))
    try:
        return api.model_info(id, revision=revision or None, files_metadata=True, timeout=TIMEOUT)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, KeyError, TypeError) as error:
        raise explain(error, id, endpoint) from error


def _family(id: str, class_name: str, parts: Set[str]) -> FamilyName | None:
    if class_name == PRIOR_CLASS:
        raise ModelUnavailable(f"“{id}” is one half of Kandinsky 2.2.", "Get the decoder; it brings this half along.")
    found = CLASSES.get(class_name)
    if class_name and found is None:
        raise ModelUnavailable(
            f"“{id}” is of a kind this program cannot use ({class_name[:60]}).",
            "Choose a Stable Diffusion 1, 2 or XL model, or Kandinsky 2.2; none made for inpainting only.",
        )
    return "stable-diffusion-xl-refiner" if found == "stable-diffusion-xl" and "text_encoder" not in parts else found


def _licence(listing: Listing) -> str:
    card = listing.card_data
    if card is not None:
        named = card.get("license_name") or card.get("license")
        if isinstance(named, str) and named:
            return named
    return next((tag.removeprefix("license:") for tag in listing.tags or () if tag.startswith("license:")), "")


def _choose(id: str, listing: Listing, half: bool) -> list[RemoteFile]:
    """The files that are needed. The kind of pipeline is judged only afterwards, since a listing may leave it out."""
    folders: defaultdict[str, list[RepoSibling]] = defaultdict(list)
    for each in listing.siblings or ():
        folder, _, name = each.rfilename.rpartition("/")
        if name and "/" not in folder and ".." not in each.rfilename and "\\" not in each.rfilename:
            folders[folder].append(each)
    if _ranks(listing):
        chosen = [_remote(id, listing, each, "model") for each in folders[""] if each.rfilename in TOP | CLIP]
        return chosen + [_remote(id, listing, each, "model") for each in _weights(id, "model", folders[""], half)]
    if not any(each.rfilename == "model_index.json" for each in folders[""]):
        return [_remote(id, listing, _single_file(id, folders[""]), "model")]
    chosen = [_remote(id, listing, each, "model") for each in folders[""] if each.rfilename in TOP]
    for folder in sorted(folders.keys() & (NETWORKS | PLAIN)):
        chosen += [_remote(id, listing, each, folder) for each in folders[folder] if _small(each.rfilename)]
        if folder in NETWORKS:
            chosen += [_remote(id, listing, each, folder) for each in _weights(id, folder, folders[folder], half)]
    return chosen


def _ranks(listing: Listing) -> bool:
    """Whether it is a CLIP model: the hub says so, or, where a mirror leaves that out, its files do."""
    names = {each.rfilename for each in listing.siblings or ()}
    if "model_index.json" in names:
        return False
    kind = (listing.config or {}).get("model_type")
    return kind == "clip" or (kind is None and {"config.json", "preprocessor_config.json", "merges.txt"} <= names)


def _small(path: str) -> bool:
    return path.endswith((".json", ".txt", ".model")) and not path.endswith(".index.json") and ".index." not in path


def _weights(id: str, folder: str, files: Sequence[RepoSibling], half: bool) -> Iterable[RepoSibling]:
    variants: defaultdict[str, list[RepoSibling]] = defaultdict(list)
    for each in files:
        name = each.rfilename.rpartition("/")[2]
        if match := WEIGHTS.fullmatch(name) or INDEX.fullmatch(name):
            variants[match["variant"] or ""].append(each)
    for variant in ("fp16", "") if half else ("", "fp16"):
        if found := variants[variant]:
            whole = [
                each
                for each in found
                if WEIGHTS.fullmatch(each.rfilename.rpartition("/")[2]) and "-of-" not in each.rfilename
            ]
            return whole or found
    if any(each.rfilename.endswith(PICKLES) for each in files):
        raise pickles_only(id)
    raise ModelUnavailable(
        f"“{id}” has no weights for its {folder} that can be used.", "Choose another model or another version of it."
    )


def _single_file(id: str, files: Sequence[RepoSibling]) -> RepoSibling:
    checkpoints = [each for each in files if each.rfilename.endswith(".safetensors")]
    if len(checkpoints) == 1:
        return checkpoints[0]
    if checkpoints:
        raise ModelUnavailable(
            f"“{id}” holds {len(checkpoints)} checkpoints.",
            "Download the one you want in a browser, then add the file here.",
        )
    if any(each.rfilename.endswith(PICKLES) for each in files):
        raise pickles_only(id)
    raise ModelUnavailable(f"“{id}” holds no picture model.", "Choose one in the diffusers format.")


def pickles_only(id: str) -> ModelUnavailable:
    """Why weights that may hold programs are not fetched."""
    return ModelUnavailable(
        f"“{id}” offers its weights only as pickle files, which can run any program when they are opened.",
        "Choose a model with .safetensors files; many pages offer a converted version.",
    )


def _remote(id: str, listing: Listing, file: RepoSibling, part: str) -> RemoteFile:
    if file.size is None or listing.sha is None:
        raise ModelUnavailable(f"The hub does not say how large “{id}” is.", "Try again, or without a mirror.")
    # A half-precision file takes the plain name, so that every program finds it; the parts of a split one are named in its index.
    folder, _, name = file.rfilename.rpartition("/")
    found = WEIGHTS.fullmatch(name)
    if found and found["variant"] and not found["shard"]:
        name = f"{found['stem']}.safetensors"
    local = "/".join(filter(None, (id, folder, name)))
    sha256 = "" if file.lfs is None else file.lfs.sha256
    return RemoteFile(id, listing.sha, file.rfilename, local, part, file.size, sha256, file.blob_id or "")
