"""The commands of ``firstlight``, one per file, with names and summaries.

They are registered like those of plugins; the module of a command is imported when it runs.
"""

from firstlight.hookspecs import hookimpl
from firstlight.plugins import Registry


@hookimpl
def register_commands(registry: Registry) -> None:
    """Register firstlight's own commands, in the order of ``firstlight --help``."""

    def add(name: str, target: str, summary: str) -> None:
        registry.add(name, f"{__name__}.{target}", summary)

    add("fit", "fit:Fit", "train a model on a data set")
    add("validate", "evaluate:Validate", "evaluate a run's model on validation data")
    add("test", "evaluate:Test", "evaluate a run's model on test data")
    add("baseline", "baseline:Baseline", "fit simple methods to a run's data, to compare with")
    add("check", "check:Check", "find mistakes in a model's backward, data or training")
    add("explain", "check:Explain", "go through one step of a model, layer by layer")
    add("profile", "profile:Profile", "measure each layer's time, memory and speed in a step")
    add("predict", "predict:Predict", "write a run's predictions to a file")
    add("export", "export:Export", "write a run's model as an ONNX file")
    add("slurm", "slurm:Slurm", "write a batch script that runs a command on a cluster")
    add("jobs", "jobs:Jobs", "show Slurm's jobs beside the runs that they train")
    add("sweep", "sweep:Sweep", "train with many settings, and rank them")
    add("runs", "runs:Runs", "list, compare, plot, tag and delete runs")
    add("runs list", "runs_list:List", "all runs, or those that match an expression")
    add("runs show", "runs_list:Show", "one run: settings, results, course of the training")
    add("runs compare", "runs_compare:Compare", "settings and results in which runs differ")
    add("runs plot", "runs_plot:Plot", "curves of several runs in one picture, or on the terminal")
    add("runs diff", "runs_compare:Diff", "settings, machine and code of two runs, line by line")
    add("runs tag", "runs_keep:Tag", "add tags to a run, or remove them")
    add("runs note", "runs_keep:Note", "add a note to a run")
    add("runs rm", "runs_keep:Remove", "delete runs")
    add("runs gc", "runs_keep:Collect", "delete failed runs without steps or checkpoints")
    add("runs export", "runs_export:Export", "records or results as CSV or Parquet")
    add("runs diverge", "runs_compare:Diverge", "find the first step at which two runs differ")
    add("look", "look:Look", "draw what a run's model has learned")
    add("generate", "generate:Generate", "generate text with a run's language model")
    add("data", "data:Data", "list data sets, show or download one")
    add("data download", "data_download:Download", "copy or download data sets to a folder")
    add("models", "plugins:Models", "list models")
    add("forms", "forms:Forms", "list the faster forms of layers, and which ones a model uses")
    add("warm-up", "warm_up:WarmUp", "compile ahead what trainings need")
    add("plugins", "plugins:Plugins", "list plugins, or start a new one")
    add("doctor", "doctor:Doctor", "find what is wrong with the environment")
    add("course", "course:Course", "exercises with blanks, their check, and grades of groups")
    add("course new", "course:New", "write a student's project")
    add("course check", "course:Check", "say which exercises are right, and what is wrong and why")
    add("course grade", "course:Grade", "grade the submissions of all groups")
    add("starters", "starters:Starters", "list the starters of projects, or copy one")
    add("tensorboard", "tensorboard:Tensorboard", "show runs in TensorBoard")
    add("demo", "demo:Demo", "write a page in which a run's network runs in the browser")
    add("report", "report:Report", "write a page about a run, or compare several")
    add("poster", "report:Poster", "make a poster of a run, A0 or A1")
