"""Names, colours, notes of clusters, as the page shows them, and changing them with undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.clusters.scene import Scene
from pages.ui.kit import frame
from pages.ui.map.facets import Facet, groups
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.errors import SSRLError
from ssrl_core.figures.colours import MISSING, palette
from ssrl_core.runs.evaluation.clustering import KMEANS, file_of
from ssrl_core.runs.folder import annotations as marks
from ssrl_core.runs.folder.annotations import Clusters, Mark, marks_of
from ssrl_core.runs.folder.run_folder import RunFolder

_UNDO, _EDITED = "cluster-names-undo", "cluster-edited"
_MOST_OTHERS = 8  # runs on the same images whose names are looked for


@dataclass(frozen=True)
class Names:
    """What the clusters of one clustering are called.

    `revision` is that of the annotations it was read from; `stem` the clustering's file name without `.npy`.
    """

    marks: dict[int, Mark]
    stem: str
    revision: int
    k: int

    def mark(self, cluster: int) -> Mark:
        """What is said of a cluster; nothing for one that nobody spoke of."""
        return self.marks.get(cluster, Mark())

    def title(self, cluster: int) -> str:
        """Its name, else its number."""
        if cluster < 0:
            return "in no cluster"
        return self.mark(cluster).name or f"Cluster {cluster}"

    def short(self, cluster: int) -> str:
        """Its name, else its bare number: for legends."""
        return self.mark(cluster).name or str(cluster)

    def colour(self, cluster: int) -> str:
        """Its own colour, else that of its number; grey for one that is excluded."""
        mark = self.mark(cluster)
        return MISSING if mark.excluded else mark.colour or palette(self.k)[cluster]

    @property
    def excluded(self) -> list[int]:
        """Clusters that are left out."""
        return [cluster for cluster, mark in sorted(self.marks.items()) if mark.excluded]


def names_of(scene: Scene, clustering: Clustering, k: int, method: str = KMEANS) -> Names:
    """The names of a clustering, given here or carried over from another k, seed or run on the same images."""
    run = RunFolder(scene.run_id)
    stem = file_of(method, k, clustering.seed).removesuffix(".npy")
    content = marks.read(run)
    found = marks_of(Clusters(run, stem, scene.ids, clustering.ids), _others(scene))
    return Names({c: mark for c, mark in found.items() if c < clustering.k}, stem, content["revision"], clustering.k)


def cluster_facet(clustering: Clustering, names: Names, title: str = "cluster") -> Facet:
    """The clusters as what colours mean, with their names."""
    every = range(clustering.k)
    return groups(title, clustering.ids, [names.short(c) for c in every], [names.colour(c) for c in every])


def say(scene: Scene, names: Names, cluster: int, **said: Any) -> None:
    """Change what is said of a cluster; what was carried over becomes its own. From a callback."""
    kept = names.mark(cluster)
    before = {"name": kept.name, "colour": kept.colour, "note": kept.note, "excluded": kept.excluded}
    run = RunFolder(scene.run_id)
    _change(run, lambda: marks.mark(run, names.revision, names.stem, cluster, **{**before, **said}))


def tag(scene: Scene, name: str, image_ids: list[int]) -> None:
    """Keep a selection under a name. From a callback."""
    run = RunFolder(scene.run_id)
    _change(run, lambda: marks.tag(run, marks.read(run)["revision"], name, image_ids))


def untag(scene: Scene, name: str) -> None:
    """Forget a tag. From a callback."""
    run = RunFolder(scene.run_id)
    _change(run, lambda: marks.untag(run, marks.read(run)["revision"], name))


def tags(scene: Scene) -> list[dict[str, Any]]:
    """Selections that were kept: [{name, image_ids, created_at}]."""
    return list(marks.read(RunFolder(scene.run_id))["tags"])


def undo_button(scene: Scene) -> None:
    """Takes the last change of this visit back; not there while there is none."""
    steps = [step for step in st.session_state.get(_UNDO, []) if step[0] == scene.run_id]
    if not steps:
        return

    def undo() -> None:
        run_id, before, revision = steps[-1]
        st.session_state[_UNDO].remove(steps[-1])
        try:
            after = marks.restore(RunFolder(run_id), revision, before)["revision"]
        except SSRLError as error:
            st.session_state["cluster-names-error"] = error
            return
        # the step before was made from what has just come back
        st.session_state[_UNDO] = [(r, b, after if r == run_id else n) for r, b, n in st.session_state[_UNDO]]

    st.button("Undo", icon=":material/undo:", key="names-undo", on_click=undo, type="tertiary")


def show_trouble() -> None:
    """Say once why the last change was not taken."""
    error = st.session_state.pop("cluster-names-error", None)
    if error is not None:
        frame.show_error(error)


def edit_in_dialog(cluster: int) -> None:
    """Open the sheet of a cluster at the next run of the page. From a callback."""
    st.session_state[_EDITED] = cluster


def dialog(scene: Scene, names: Names) -> None:
    """The sheet of the cluster that was asked for: name, colour, note, excluded."""
    cluster = st.session_state.pop(_EDITED, None)
    if cluster is not None and cluster < names.k:
        _sheet(scene, names, cluster)


@st.dialog("Cluster")
def _sheet(scene: Scene, names: Names, cluster: int) -> None:
    mark = names.mark(cluster)
    name = st.text_input("Name", mark.name, max_chars=marks.LONGEST_NAME, placeholder=f"Cluster {cluster}")
    colour = st.color_picker("Colour", mark.colour or palette(names.k)[cluster])
    note = st.text_area("Note", mark.note, max_chars=marks.LONGEST_NOTE)
    excluded = st.toggle(
        "Exclude", mark.excluded, help="Drawn grey, listed last, and marked in the table that you take home."
    )
    if mark.origin:
        frame.quiet(f"Carried over from {mark.origin}, with which it shares {100 * mark.shared:.0f} %.")
    if st.button("Keep", type="primary", key="cluster-keep"):
        own = None if colour == palette(names.k)[cluster] else colour
        say(scene, names, cluster, name=name, colour=own, note=note, excluded=excluded)
        st.rerun()


def _change(run: RunFolder, change: Any) -> None:
    before = marks.read(run)
    try:
        after = change()
    except SSRLError as error:
        st.session_state["cluster-names-error"] = error
        return
    st.session_state.setdefault(_UNDO, []).append((run.id, before, after["revision"]))


def _others(scene: Scene) -> list[RunFolder]:
    """Runs on the same image set that have names, newest first."""
    found = []
    for row in frame.known_runs():
        run = RunFolder(str(row["id"]))
        if row.get("dataset") == scene.imageset.name and run.id != scene.run_id and marks.path_of(run).is_file():
            found.append(run)
    return found[:_MOST_OTHERS]
