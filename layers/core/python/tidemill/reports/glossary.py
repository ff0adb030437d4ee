"""The technical words of a report, each explained in a sentence or two."""

from __future__ import annotations

from tidemill.reports.markup import Html, join, tag

#: key: (the word, what it means)
TERMS: dict[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "The share of rows whose class the model names correctly."),
    "adjusted_p": (
        "adjusted p",
        "How often chance alone would show so large a difference, corrected for looking at many features at once "
        "(Benjamini and Hochberg).",
    ),
    "alias": (
        "alias",
        "A name such as champion that points to one version of a model. Clients call the alias, so the "
        "version behind it can change without them.",
    ),
    "anomaly": ("anomaly", "A row that is unlike the rows of the training table."),
    "anomaly_score": ("anomaly score", "The share of the training rows that are less strange than a row: 0 to 1."),
    "average_precision": (
        "average precision",
        "The share of flagged rows that are truly positive, averaged over every place where the list of "
        "scores can be cut. 1 is perfect; guessing gets the share of positives.",
    ),
    "balanced_accuracy": (
        "balanced accuracy",
        "The accuracy within each class, averaged, so that a rare class counts as much as a common one.",
    ),
    "baseline": (
        "baseline",
        "A model that ignores every column: it always answers the most common class, or the average. Without a target: "
        "what the same method finds in rows without any structure. Whatever is no better has learned nothing.",
    ),
    "boosting": (
        "gradient boosting",
        "Many small decision trees, each correcting the ones before it. Often the best choice for tables.",
    ),
    "bootstrap": (
        "bootstrap",
        "The measurement is repeated on many random redraws of the same rows; how far the results scatter "
        "says how sure the figure is.",
    ),
    "brier_score": (
        "Brier score",
        "The average squared distance between the predicted probability and what happened (0 or 1). 0 is perfect.",
    ),
    "calibration": (
        "calibration",
        "Whether probabilities mean what they say: of all rows given 70%, about 70 in 100 should come true.",
    ),
    "calibration_error": (
        "expected calibration error",
        "How far probabilities lie from what came true, averaged over the rows. 0 is perfect.",
    ),
    "candidate": (
        "candidate",
        "One kind of model with one setting that was tried. The best one is fitted again on all training rows.",
    ),
    "champion": ("champion", "The version of the model that is in service."),
    "check": (
        "check",
        "A test of the data before anything is learned from it. It passes, warns, or refuses the table.",
    ),
    "cluster": ("cluster", "A group of rows that are more like each other than like the rows of other groups."),
    "class": ("class", "One of the answers that the model can give."),
    "component": ("component", "A weighted sum of the columns that stands for what they have in common."),
    "code_version": (
        "code version",
        "A fingerprint of Tidemill’s own source code. The same version runs the same code.",
    ),
    "confusion_matrix": (
        "confusion matrix",
        "A table that counts, for each true class, which class the model named.",
    ),
    "cross_validation": (
        "cross-validation",
        "The training rows are split into parts (folds); each part is predicted by a model fitted on the "
        "others. It shows how well a candidate does on rows it has not seen.",
    ),
    "davies_bouldin": (
        "Davies–Bouldin index",
        "How wide clusters are, compared with how far they lie apart, of the most similar pairs. Lower is better.",
    ),
    "data_contract": (
        "data contract",
        "What every table of a project must hold, column by column: types, how much is filled in, values, ranges. The "
        "first accepted table suggests it, the spec changes it, and later tables are held to it.",
    ),
    "dataset_version": (
        "dataset version",
        "A fingerprint of the table’s content. The same version is the same data, to the last cell.",
    ),
    "demographic_parity": (
        "demographic parity",
        "Whether the model gives its positive answer equally often at every level of a column: the smallest rate "
        "divided by the largest. The four-fifths rule of US employment law asks for 80%.",
    ),
    "distinct": ("distinct", "How many different values a column holds."),
    "endpoint": ("endpoint", "The web address that answers predictions."),
    "domain_classifier": (
        "domain classifier",
        "A small model that tries to tell production rows from training rows. If it can, the data as a whole has "
        "changed, even where no single feature has.",
    ),
    "effect_curve": (
        "effect curve",
        "The mean prediction when one column is set to a value in every row and the others stay as they are. It says "
        "what the model does, not what would happen to a real case.",
    ),
    "ensemble": ("ensemble", "Several models that vote: their answers are averaged by weight."),
    "equal_opportunity": (
        "equal opportunity",
        "Whether the model finds as large a share of the truly positive rows at every level of a column.",
    ),
    "estimated_quality": (
        "estimated quality",
        "How good the model probably is now, worked out without knowing what happened: from its own probabilities and "
        "how right these were on the holdout, or from how large its errors were for such values. It cannot see that "
        "the same inputs now mean something else; only labels can.",
    ),
    "explained_variance": (
        "explained variance",
        "The share of what differs between rows, over all columns, that is still there when the rows are rebuilt from "
        "the components.",
    ),
    "f1": ("F1", "A balance of precision and recall in one number: it is high only when both are. 1 is perfect."),
    "f1_macro": ("macro F1", "The F1 of each class, averaged, so that a rare class counts as much as a common one."),
    "feature": ("feature", "A column that the model uses to predict the target."),
    "forest": ("forest", "Many decision trees, each grown on a random part of the data, that vote on the answer."),
    "gate": ("gate", "A rule that a new model must pass before it goes live."),
    "gb_second": (
        "GB-second",
        "One gigabyte of memory in use for one second: the unit in which Lambda’s computing time is paid.",
    ),
    "histogram": ("histogram", "Bars that show how many rows fall into each range of values."),
    "holdout": (
        "holdout",
        "Rows put aside before training. No candidate sees them, so the result on them is honest.",
    ),
    "importance": (
        "importance",
        "How much worse the model gets when one column is shuffled on the holdout. It says what the model "
        "relies on, not what causes the outcome.",
    ),
    "interval": (
        "95% interval",
        "The range in which the true figure lies with 95% confidence, given how many rows it was measured on.",
    ),
    "leak": (
        "leak",
        "A column that gives the target away, because it is only known once the outcome is. A model that uses "
        "it looks perfect and is worthless in practice.",
    ),
    "isolation_forest": (
        "isolation forest",
        "Many trees that cut the rows at random; a row that stands alone after few cuts is strange.",
    ),
    "jensen_shannon": (
        "Jensen–Shannon distance",
        "How different two distributions are: 0 is the same, 1 is nothing in common.",
    ),
    "kmeans": ("k-means", "Finds centres such that rows are as near to their own as possible."),
    "lineage": (
        "lineage",
        "What a model was made from: data, code, packages, parameters and seed. With it the model can be made again.",
    ),
    "linear": ("linear model", "A weighted sum of the columns. Simple, fast, and hard to fool."),
    "log_loss": (
        "log loss",
        "How surprised the model is by the truth: 0 when it was certain and right, large when it was certain "
        "and wrong. Lower is better.",
    ),
    "mae": (
        "MAE",
        "Mean absolute error: how far predictions are from the truth, on average, in the target’s own unit.",
    ),
    "mahalanobis": (
        "Mahalanobis distance",
        "How far a row is from the middle, measured by how much the columns spread and how they go together.",
    ),
    "margin": ("margin", "How much worse than the champion a new model may be and still replace it."),
    "median_absolute_error": (
        "median absolute error",
        "Half of the predictions are closer to the truth than this, half are farther.",
    ),
    "missing": ("missing", "Cells that hold no value."),
    "onnx": ("ONNX", "An open file format for models. The endpoint runs this file, not the program that fitted it."),
    "parity": (
        "parity proof",
        "Every holdout row is predicted twice, by the fitted model and by its exported file; both must say the same.",
    ),
    "pca": (
        "principal components",
        "The weighted sums of the columns that keep most of what differs between rows, one after the other.",
    ),
    "positive_class": ("positive class", "In a yes-or-no question, the answer that the scores are about."),
    "positive_rate": ("positive rate", "The share of rows that get the positive answer, right or wrong."),
    "precision": ("precision", "Of the rows that the model flags, the share that truly are what it says."),
    "prediction_interval": (
        "prediction interval",
        "A range beside a predicted value that holds the true value with a promised confidence.",
    ),
    "prediction_set": (
        "prediction set",
        "The classes that together hold the true one with a promised confidence: one class when the model is sure.",
    ),
    "profile": ("profile", "Stored statistics of the training table: counts, ranges and distributions of its columns."),
    "psi": (
        "population stability index",
        "How far the shares of a column’s values have moved, over all its bins. Below 0.1 counts as stable, above 0.25 "
        "as changed.",
    ),
    "quantile": (
        "quantile",
        "The value below which a given share of the rows lies: half of them lie below the median.",
    ),
    "r2": (
        "R²",
        "The share of the target’s variation that the model explains. 100% is perfect; 0% is no better than "
        "always answering the average.",
    ),
    "recall": ("recall", "Of the rows that truly are positive, the share that the model finds."),
    "reconstruction": (
        "reconstruction error",
        "What is left of a row when it is rebuilt from a few components: strange rows are rebuilt badly.",
    ),
    "reconstruction_rmse": (
        "reconstruction RMSE",
        "How far rows rebuilt from the components are from the real ones, in standard deviations of the columns.",
    ),
    "residual": (
        "error",
        "The predicted value minus the actual one: above 0 is predicted too high, below 0 too low.",
    ),
    "rmse": (
        "RMSE",
        "Root mean squared error: the typical distance between prediction and truth, in the target’s own "
        "unit. Large misses weigh more.",
    ),
    "roc_auc": (
        "ROC AUC",
        "Given one positive and one negative row, how often the positive one gets the higher score. 1 is "
        "perfect, 0.5 is guessing.",
    ),
    "roc_auc_ovr": ("ROC AUC, one against the rest", "The ROC AUC of each class against all others, averaged."),
    "roc_curve": (
        "ROC curve",
        "For every cut-off: how many positives are found against how many negatives are flagged by mistake.",
    ),
    "role": ("role", "What a column is used for: a feature, the target, or something the model leaves out."),
    "run": ("run", "One passage of a table through Tidemill, from upload to verdict."),
    "seed": ("seed", "The number from which every random choice is drawn. The same seed gives the same model."),
    "shuffled_auc": (
        "AUC against shuffled rows",
        "Given a real row and one whose columns were shuffled among the rows, how often the shuffled one gets the "
        "higher score. 1 is perfect, 0.5 is guessing.",
    ),
    "silhouette": (
        "silhouette",
        "How much nearer rows are to their own cluster than to the next one. 1 is perfect, 0 is no difference.",
    ),
    "signature": ("signature", "The columns that a model takes and what it answers."),
    "slice": ("slice", "A part of the rows: those of one level or range of a column, or of two."),
    "stability": (
        "stability",
        "How far models of two separate halves of the training rows agree on new rows: the adjusted Rand index of "
        "their clusters, or the rank correlation of their scores. 1 is the same answer, 0 is chance.",
    ),
    "standard_deviation": ("standard deviation", "How far values typically lie from their average."),
    "successive_halving": (
        "successive halving",
        "All candidates are tried on a part of the rows, the better ones on more, the best on all: time goes where it "
        "counts.",
    ),
    "target": ("target", "The column that the model learns to predict."),
    "transition": (
        "state transition",
        "One step of the workflow that runs the stages: the unit in which Step Functions is paid.",
    ),
    "wasserstein": (
        "Wasserstein distance",
        "How far values would have to be shifted on average to become the other distribution, in standard deviations.",
    ),
}


def term(key: str, shown: str | None = None) -> Html:
    """A technical word with its explanation: shown on hover and focus, linked to the glossary at the end."""
    word, meaning = TERMS[key]
    tip = tag("span", meaning, class_="tip", role="tooltip")
    return tag("a", shown or word, tip, class_="term", href=f"#word-{key}")


def glossary(page: str) -> Html:
    """The list of the words that a page explains, in alphabetical order."""
    used = [key for key in TERMS if f'href="#word-{key}"' in page]
    used.sort(key=lambda key: TERMS[key][0].lower())
    entries = (join(tag("dt", TERMS[key][0], id=f"word-{key}"), tag("dd", TERMS[key][1])) for key in used)
    return tag("dl", entries, class_="glossary")
