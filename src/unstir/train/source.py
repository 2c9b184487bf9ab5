"""The data of a run: read, with the columns that hold codes and the one that holds classes set apart."""

from __future__ import annotations

from torch import Tensor

from unstir.data import Coder, Dataset, recoded, with_categories, with_labels
from unstir.data import load as load_data
from unstir.data.items import drawn, model_units, most_known
from unstir.train.config import TrainConfig


def read_data(config: TrainConfig, source: Dataset | None = None) -> tuple[Dataset, int | None]:
    """The data that `config` names, or `source` in their place, as the run sees them.

    Returns:
        The data, and the place that the label column had among all columns, or None without one.

    Raises:
        InputError: as `unstir.data.load`, or a column that is not there or not of its kind.
    """
    data = load_data(config.data, skip_bad=config.skip_bad) if source is None else source
    data = with_categories(data, config.categorical)
    if config.label_column is None:
        return data, None
    labelled = with_labels(data, config.label_column)
    return labelled, data.columns.index(config.label_column)


def as_read(data: Dataset, config: TrainConfig) -> Dataset:
    """Other data as the run sees its own: they may lack the label column, and then have no labels.

    Raises:
        InputError: a column that is not of its kind.
    """
    data = with_categories(data, config.categorical)
    here = config.label_column in data.columns
    return with_labels(data, config.label_column) if here and config.label_column is not None else data


def read_partner(config: TrainConfig, coder: Coder, like: Dataset) -> Tensor | None:
    """The second data set in the model units of the first, so that both come back in the data's own.

    Of more than 1 GiB so, a part that is drawn by the seed.

    Args:
        config: names it, or none.
        coder: of the first.
        like: the first.

    Raises:
        InputError: as `read_data`.
    """
    if config.partner is None:
        return None
    data = as_read(load_data(config.partner, skip_bad=config.skip_bad), config)
    values = recoded(data, like.columns, like.categories).values
    most = most_known(coder.to_model(values[:1]).nbytes)
    return model_units(
        coder, values if len(values) <= most else values[drawn(len(values), most, config.seed)]
    )
