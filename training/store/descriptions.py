"""What the experiments and the registered model say of themselves in MLflow, with the links that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.names import DASHBOARD, EXPERIMENT, HISTORY_EXPERIMENT, MODEL, REPORT
from training.store.tracking import NOTE_TAG, experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_DASHBOARD = (
    f"The dashboard, made from the champion: run `segments up`, and open [{DASHBOARD}]({DASHBOARD})"
)


def write_missing(client: MlflowClient) -> None:
    """Describe the experiments and the registered model where nobody has described them yet."""
    trainings, history = experiment_id(client, EXPERIMENT), experiment_id(client, HISTORY_EXPERIMENT)
    links = [
        f"The [registered model](#/models/{MODEL}): its versions, and which of them is champion",
        f"The [trainings](#/experiments/{trainings}/runs)",
        f"[Which version was champion when](#/experiments/{history}/runs), and why: also `segments history`",
        OF_DASHBOARD,
    ]
    of_model, of_trainings, of_history, _ = links
    _describe_experiment(
        client,
        trainings,
        "One run is one training, and its description says what came of it. Its child runs are the trials, and one "
        f"with the curves by number of segments. The whole story is the run's artifact {REPORT}.",
        [of_model, of_history, OF_DASHBOARD],
    )
    _describe_experiment(
        client,
        history,
        "One run is one move of the alias champion, by `segments promote` or `segments rollback`, with the gate's "
        "verdict.",
        [of_model, of_trainings, OF_DASHBOARD],
    )
    if not client.get_registered_model(MODEL).description:
        text = (
            "Says which segment a customer belongs to, whether they are unusual and why, and what they will bring. "
            "The alias champion is the version that answers, challenger the latest, previous the champion of before. "
            "`segments promote` judges a challenger and makes it champion; `segments rollback` goes back."
        )
        client.update_registered_model(MODEL, _with_links(text, [of_trainings, of_history, OF_DASHBOARD]))


def _describe_experiment(client: MlflowClient, experiment: str, text: str, links: list[str]) -> None:
    if NOTE_TAG not in client.get_experiment(experiment).tags:
        client.set_experiment_tag(experiment, NOTE_TAG, _with_links(text, links))


def _with_links(text: str, links: list[str]) -> str:
    return text + "\n\n" + "\n".join(f"- {link}" for link in links)
