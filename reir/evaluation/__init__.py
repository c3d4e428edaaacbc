"""How well a model finds what a data set's expressions describe, measured over an index.

The call, as ``reir eval`` makes it::

    dataset = load_dataset("demo")                    # reir.data: a JSON file or a name; images=DIR for its pictures
    with Index.open(db).snapshot() as snapshot:       # an index of dataset.images_root, or of a folder around it
        evaluation = evaluate(snapshot, model, dataset, protocol="both", ks=(1, 5, 10), ious=(0.5, 0.7, 0.9))
    print(json.dumps(evaluation.to_json()))           # --json: the object of the contract
    print(format_report(evaluation))                  # otherwise: a table for the terminal

Other systems are measured by the same figures (`System`; benchmarks call this)::

    evaluate_system(OneStage(snapshot, model, stages=StagePlan(("templates",))), dataset, task="reir")
    evaluate_system(TwoStage(tower_snapshot, tower, snapshot, model, depth=None, stages=None), dataset)
    evaluate_system(OneStage(tower_snapshot, tower), dataset, task="tir")       # image Recall@k of a tower alone
    evaluate_system(OneStage(snapshot, model), dataset, task="rec", ious=(0.5,))  # inside the right picture
    evaluate_system(Grounded(load_grounder("vatex:FOLDER"), images=300), dataset, task="ris")   # masks inside it

where ``tower = load_model("picture-clip:TOWER")``, TOWER as ``ViT-B-16-SigLIP__webli`` or a folder of open_clip, and
``tower_snapshot`` is of an index that it made. For ``ris`` the data set is loaded
with its masks (``load_dataset(..., masks=True)``). ``evaluation.overall.shares`` and ``.intervals`` hold the figures,
``evaluation.cost`` the forward passes, and ``evaluation.to_json()`` everything.

``evaluation.outcomes`` are every query's ranks, and two systems on the same queries are compared by them, paired::

    compare(first.outcomes, second.outcomes, ks=(1, 5, 10))     # differences of shares, with intervals

``progress`` is called as ``progress(phase, done, total)`` with phases "encoding", "placing" (queries) and "scanning"
(instances). Errors are :class:`~reir.errors.ReirError`: a wrong option (UsageError), another model than the index's
(ModelMismatchError), pictures of the data set that the index lacks (PicturesMissingError). The gallery is the whole
index; ``evaluation.warnings`` says so when it holds pictures that the data set does not list.

``calibrate(snapshot, model, dataset)`` learns from the same kind of data set what the model's scores mean.
"""

from reir.evaluation.calibrate import CalibrationReport, SizeFigures, calibrate
from reir.evaluation.evaluate import evaluate, evaluate_system
from reir.evaluation.grounded import Grounded
from reir.evaluation.left_out import Trials, leave_out
from reir.evaluation.one_stage import OneStage
from reir.evaluation.progress import Progress
from reir.evaluation.report import format_comparison, format_report
from reir.evaluation.result import Evaluation, Figures
from reir.evaluation.saved_outcomes import Comparison, SavedOutcomes, compare
from reir.evaluation.system import TASKS, Answers, Cost, Retriever, System, SystemFacts, Task
from reir.evaluation.table import format_table
from reir.evaluation.two_stage import TwoStage

__all__ = [
    "TASKS",
    "Answers",
    "CalibrationReport",
    "Comparison",
    "Cost",
    "Evaluation",
    "Figures",
    "Grounded",
    "OneStage",
    "Progress",
    "Retriever",
    "SavedOutcomes",
    "SizeFigures",
    "System",
    "SystemFacts",
    "Task",
    "Trials",
    "TwoStage",
    "calibrate",
    "compare",
    "evaluate",
    "evaluate_system",
    "format_comparison",
    "format_report",
    "format_table",
    "leave_out",
]
