"""The order of the gallery: what a newcomer wants first comes first."""

FIRST = [
    "plot_recover_planted_network.py",
    "plot_initialization.py",
    "plot_resampled_descent.py",
    "plot_sample_complexity.py",
    "plot_real_data.py",
    "plot_choose_k.py",
    "plot_certificate.py",
    "plot_intervals.py",
    "plot_uncertainty.py",
    "plot_displays.py",
    "plot_progress.py",
]


def sort_key(filename):
    """Position in the list above; other examples follow by name."""
    return (FIRST.index(filename) if filename in FIRST else len(FIRST), filename)
