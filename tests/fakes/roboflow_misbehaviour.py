"""What goes wrong at the fake of Roboflow."""

from dataclasses import dataclass, field


@dataclass
class Misbehaviour:
    """What goes wrong. Statuses are answered in order, one per request; after them all is well."""

    api: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    refusal: object = None
    """Body of the answers of ``api``; None for one that names the request, with the key."""
    link: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    redirected_link: bool = False
    half_bodies: int = 0
    damaged_bodies: int = 0
    content_length: bool = True
    html_link: bool = False
    endless: bool = False
    trickle: float = 0
    """Seconds that sending the zip takes."""
    images: int | None = 6
    """Images of each version; None leaves the field out."""
    age: float | None = 1e7
    """Seconds since the versions were created that were not generated here; None leaves the field out."""
    generating_polls: int = 0
    export_polls: int = 0
    failed: bool = False
    progress: float | str | None = 0.5
    unready_status: int = 202
    """Status of the answer while an export is made; 200 is answered with ``progress`` below 1, too."""
    links_to_come: int = 0
    """Requests for an export that are answered without a link."""
    drop: str | None = None
    no_versions: bool = False
    nested_versions: bool = False
    failed_version: bool = False
    export_status: int = 200
    generate_status: int = 200
    health: str = "recorded"
    """Names of the counts: those of a recorded answer, or those that are ``documented``; or ``none``."""
    lost_answers: int = 0
    """Requests for a new version that are carried out, and answered with an error of the server."""
    not_found: int = 0
    """Requests for which a new version is not found."""
    slow_start: int = 0
    """Polls for which a new version is empty and not being generated yet."""
    uploads: list[int | str] = field(default_factory=list)
    """What happens to requests that send something, in order, one each; after them all is well.

    A status is answered and nothing done; ``lost`` is done and answered with 502; ``hang`` is done and not answered;
    ``cut`` closes the connection; ``no`` is answered with 200 and no success.
    """
    search_pages: list[int] = field(default_factory=list)
    """Images on the pages of a search, in order; after them as many as were asked for."""
    circle: bool = False
    """Whether each page of a search names the same page as the next one."""
