"""Words for the columns of a corpus, as figures and reports print them."""

from __future__ import annotations

import re

_WHOLE = {
    "count": "number of particles",
    "n_particles": "number of particles",
    "fractal_dimension": "fractal dimension",
    "fractal_prefactor": "fractal prefactor",
    "hetero_affinity": "hetero-affinity",
    "overlap": "neck coefficient",
    "radius_of_gyration_nm": "radius of gyration",
    "extent_nm": "extent",
    "contacts": "contacts",
    "coordination": "coordination number",
    "hetero_contacts": "hetero-contacts",
    "hetero_contact_fraction": "hetero-contact fraction",
    "hetero_coordination": "hetero-coordination number",
    "mixing_index": "mixing index",
    "same_species_cluster_size": "same-species cluster size",
    "largest_overlap": "largest overlap",
    "random_hetero_contact_fraction": "hetero-contact fraction of random labels",
    "random_hetero_contact_fraction_sd": "hetero-contact fraction of random labels, SD",
    "lacey_index": "Lacey index",
    "species_centre_distance_over_rg": "distance of the species' centres over Rg",
    "largest_same_species_cluster": "largest same-species cluster",
    "contact_area_nm2": "area of the necks",
    "hetero_contact_area_nm2": "area of the hetero-contacts",
    "gyration_anisotropy": "anisotropy of the gyration tensor",
}
_STARTS = {
    "count_": "number of {} particles",
    "number_fraction_": "{} number fraction",
    "fraction_": "{} number fraction (asked)",
    "radius_geometric_mean_nm_": "{} radius (geometric mean)",
    "radius_geometric_sd_": "{} radius, geometric SD",
    "median_radius_nm_": "{} median radius (asked)",
    "geometric_sd_": "{} geometric SD (asked)",
    "mean_cluster_size_": "mean cluster size ({})",
    "same_species_cluster_size_": "{} cluster size in contact",
    "largest_same_species_cluster_": "largest {} cluster",
    "hetero_coordination_": "hetero-coordination of {}",
}
_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SCALES = {"log": "ln ", "logit": "logit ", "identity": ""}


def formula(species: str) -> str:
    """A chemical formula with its numbers lowered: TiO2 becomes TiO₂."""
    return re.sub(r"(?<=[A-Za-z)])\d+", lambda digits: digits.group().translate(_SUBSCRIPT), species)


def label(column: str, shared_cluster_size: bool = False) -> str:
    """Words for a column, without its unit. `shared_cluster_size`: all species have the one that is named."""
    if column in _WHOLE:
        return _WHOLE[column]
    if shared_cluster_size and column.startswith("mean_cluster_size_"):
        return "mean cluster size"
    for start, words in _STARTS.items():
        if column.startswith(start):
            return words.format(formula(column[len(start) :]))
    return column.replace("_", " ")


def with_unit(words: str, unit: str) -> str:
    """`words (unit)`, or the words alone for a number."""
    return words if unit in ("", "1") else f"{words} ({unit})"
