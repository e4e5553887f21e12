"""Reads a trained study through the package: REGCXR_STUDY names its folder, REG the program."""

import json
import os
import subprocess
import threading
import time
import unittest

import numpy as np

import regcxr

STUDY, REG = os.environ["REGCXR_STUDY"], os.environ["REG"]


def reg(*arguments):
    """The JSON document of a command."""
    done = subprocess.run([REG, "--json", "--registry", STUDY, *arguments], capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


class RegistryTest(unittest.TestCase):
    def setUp(self):
        self.registry = regcxr.open(STUDY)

    def test_a_data_set_is_what_the_program_says(self):
        dataset = self.registry.dataset("tiny")
        said = reg("dataset", "stats", "tiny")
        self.assertEqual((dataset.images, dataset.patients), (said["images"], said["patients"]))
        frame = dataset.frame()
        self.assertEqual((len(frame), frame["Patient Age"].dtype), (dataset.images, np.int64))
        for label in dataset.labels:
            self.assertEqual(frame[label].dtype, np.bool_)
            self.assertEqual(int(frame[label].sum()), said["labels"][label]["positives"], label)
        self.assertEqual([row.name for row in self.registry.datasets()], ["tiny"])
        self.assertEqual(dataset, self.registry.find(dataset.id[:8]))
        self.assertEqual(dataset.boxes().columns, ["Image Index", "Finding Label", "x", "y", "w", "h"])
        self.assertEqual(set(dataset.boxes()["Finding Label"]) - set(dataset.labels), set())

    def test_pixels_are_those_of_the_file(self):
        dataset = self.registry.dataset("tiny")
        whole = dataset.image("00000001_000.png")
        frame = dataset.frame()
        row = list(frame["Image Index"]).index("00000001_000.png")
        self.assertEqual(whole.shape, (frame["height"][row], frame["width"][row]))
        square = dataset.image("00000001_000.png", size=16)
        self.assertEqual((square.shape, square.dtype), ((16, 16), np.uint8))
        self.assertLess(abs(float(whole.mean()) - float(square.mean())), 3)
        with self.assertRaisesRegex(regcxr.UsageError, "has no image nothing"):
            dataset.image("nothing")

    def test_a_split_has_no_patient_twice(self):
        split = self.registry.split("s")
        frame = split.frame()
        for fold, sizes in enumerate(split.folds):
            patients = []
            for subset in ("train", "val", "test"):
                names = split.images(fold, subset)
                size = getattr(sizes, subset)
                self.assertEqual(len(names), size.images)
                chosen = frame[f"fold {fold}"] == subset
                patients.append(set(frame["Patient ID"][chosen]))
                self.assertEqual(len(patients[-1]), size.patients)
            self.assertEqual(len(set.union(*patients)), sum(map(len, patients)))
        self.assertEqual(split.dataset.name, "tiny")
        joined = split.dataset.frame(split="s")
        self.assertEqual(list(joined["fold 1"]), list(frame["fold 1"]))
        with self.assertRaisesRegex(regcxr.UsageError, "its folds are 0 to 1"):
            split.images(2, "test")

    def test_runs_are_listed_chosen_and_read(self):
        said = reg("list", "run", "--sort", "test_auc")["runs"]
        runs = self.registry.runs(sort="test_auc")
        self.assertEqual([run.name for run in runs], [run["name"] for run in said])
        for run, listed in zip(runs, said):
            self.assertEqual((run.test_auc, run.test_auc_labels), (listed["test_auc"], listed["test_auc_labels"]))
            self.assertEqual((run.model, run.settings, run.fold, run.seed), (listed["model"], listed["settings"], listed["fold"], listed["seed"]))
            log = run.log()
            self.assertEqual(list(log["epoch"]), list(range(1, listed["epochs"] + 1)))
            self.assertEqual(log["train_loss"].dtype, np.float64)
        self.assertEqual([run.name for run in self.registry.runs(where="model=mlp and fold=1")], ["mlp-s-f1"])
        frame = self.registry.run_frame(columns=["name", "lr", "val_auc"])
        self.assertEqual((frame.columns, len(frame)), (["name", "lr", "val_auc"], 4))
        run = self.registry.run("mlp-s-f0")
        self.assertEqual((run.split.name, run.dataset.name, run.name), ("s", "tiny", "mlp-s-f0"))
        with self.assertRaisesRegex(regcxr.Error, "there is val_auc|test_auc"):
            self.registry.runs(sort="auc")

    def test_scores_stand_beside_their_labels(self):
        run = self.registry.run("tiny-s-f0")
        predictions = run.predictions()
        scores = predictions.scores()
        self.assertEqual(scores.probabilities.shape, (len(scores.images), len(scores.labels)))
        self.assertEqual(list(scores.images), list(run.split.images(run.fold, "test")))
        self.assertEqual(predictions.scale, "logit")
        frame = predictions.frame()
        label = scores.labels[0]
        np.testing.assert_allclose(1 / (1 + np.exp(-frame[label])), scores.probabilities[:, 0], rtol=1e-12)
        # The recorded AUC again, from the arrays.
        table = self.registry.table(reg("list", "run", "--where", "name=tiny-s-f0")["runs"][0]["table"])
        auc = {row["label"]: row["auc"] for row in table.document["labels"]}
        self.assertEqual(list(auc), scores.labels)
        for label in scores.labels:
            probabilities, truth = scores.of(label)
            positives, negatives = probabilities[truth], probabilities[~truth]
            self.assertEqual(auc[label] is None, truth.all() or not truth.any())
            if auc[label] is not None:
                pairs = np.sign(positives[:, None] - negatives[None, :])
                self.assertAlmostEqual(float(pairs.mean() / 2 + 0.5), auc[label], places=12)
        self.assertEqual(self.registry.predictions("tiny-s-f0"), predictions)
        with self.assertRaises(regcxr.UsageError) as raised:
            run.predictions("train")
        self.assertEqual(raised.exception.hint, "`reg eval tiny-s-f0 --subset train`")

    def test_a_comparison_is_recorded_and_is_that_of_the_program(self):
        said = reg("compare", "tiny-s-f0", "tiny-s-f1", "mlp-s-f0", "mlp-s-f1")
        table = regcxr.compare(*map(self.registry.run, ["tiny-s-f0", "tiny-s-f1", "mlp-s-f0", "mlp-s-f1"]))
        self.assertEqual(table.id, said["table"])
        self.assertEqual((table.type, table.kind), ("comparison", "table"))
        auc = table.frame("auc")
        mean = {row["Label"]: row for row in auc.rows()}["Mean"]
        for model, numbers in said["auc"].items():
            self.assertAlmostEqual(mean[model], numbers["mean"]["mean"], places=12)
        named = regcxr.compare("mlp-s-f0", registry=self.registry, name="alone", bootstrap=100, groups=["gender"], metrics=True)
        self.assertEqual(self.registry.table("alone"), named)
        self.assertTrue({"bootstrap", "groups", "metrics"} <= set(named.frames()), named.frames().keys())
        with self.assertRaisesRegex(regcxr.Error, "the name alone is in use"):
            regcxr.compare("mlp-s-f1", registry=self.registry, name="alone")
        kinds = {node["kind"] for node in named.trace()["nodes"]}
        self.assertTrue({"dataset", "split", "spec", "run", "predictions"} <= kinds, kinds)

    def test_every_value_of_a_table_is_a_row_of_its_own(self):
        table = self.registry.compare("mlp-s-f0", "tiny-s-f0", bootstrap=100, groups=["gender"], metrics=True)
        values = table.values()
        self.assertEqual((values.name, values["value"].dtype, values["fold"].dtype), ("values", np.float64, np.int64))
        rows = values.rows()
        about = ["table", "model", "against", "label", "mean_over", "by", "group", "fold", "seed", "item", "statistic"]
        self.assertEqual(values.columns[: len(about)], about)
        self.assertEqual(len({tuple(row[name] for name in about) for row in rows}), len(rows))

        def of(**wanted):
            found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
            self.assertEqual(len(found), 1, wanted)
            return found[0]

        document = table.document
        for model in document["models"]:
            for label in model["labels"]:
                row = of(table="auc", model=model["name"], label=label["label"], fold=0, statistic="auc")
                self.assertEqual((row["value"], row["positives"]), (label["auc"]["folds"][0], label["positives"][0]))
        for row in document["bootstrap"]["rows"]:
            over = None if row["label"] else "pathologies" if row.get("pathologies") else "labels"
            pair = {"model": row["model"], "against": row["less"], "label": row["label"], "mean_over": over}
            self.assertEqual(of(table="bootstrap", statistic="low", **pair)["value"], row["low"])
        self.assertEqual(of(statistic="variance")["text"], "clustered")
        self.assertTrue({"metrics", "groups", "group-tests", "delong"} <= set(values["table"]), set(values["table"]))
        # A row for each model, a column for each label: what a comparison prints.
        means = {
            over: {row["model"]: row for row in rows if row["statistic"] == "auc_mean" and row["mean_over"] == over}
            for over in ("labels", "pathologies")
        }
        values = {name: row["value"] for name, row in means["labels"].items()}
        self.assertEqual(values, {model["name"]: model["mean"]["mean"] for model in document["models"]})
        # The mean over pathologies is another number, over fewer labels.
        for model in document["models"]:
            aucs = [label["auc"]["folds"][0] for label in model["labels"] if label["label"] != "No Finding"]
            aucs = [auc for auc in aucs if auc is not None]
            self.assertAlmostEqual(means["pathologies"][model["name"]]["value"], sum(aucs) / len(aucs), 12)

    def test_errors_carry_the_hints_of_the_program(self):
        for ask in (lambda: self.registry.run("mlp-s-f9"), lambda: self.registry.find("mlp-s-f9")):
            with self.assertRaises(regcxr.Error) as raised:
                ask()
            self.assertIn("mlp-s-f", raised.exception.hint)
            self.assertEqual(str(raised.exception), f"{raised.exception.message}\nhint: {raised.exception.hint}")
        with self.assertRaisesRegex(regcxr.Error, "expected"):
            self.registry.dataset("s")
        with self.assertRaisesRegex(regcxr.Error, "hint: create one with `reg init DIR`"):
            regcxr.open(os.path.join(STUDY, "images"))
        with self.assertRaises(regcxr.UsageError) as raised:
            self.registry.runs(where="lr<")
        self.assertIn("where", raised.exception.message)
        for options, words in [({"bootstrap": 5}, "100 to 1,000,000"), ({"by": "fold"}, "by is `fold`"), ({"margin": 2.0}, "between 0 and 1")]:
            with self.assertRaisesRegex(regcxr.UsageError, words):
                regcxr.compare("mlp-s-f0", registry=self.registry, **options)
        with self.assertRaises(regcxr.RefusedError):
            regcxr.compare("mlp-s-f0", "tiny-s-f1", registry=self.registry)

    def test_frames_are_those_of_pandas_polars_and_arrow(self):
        frame = self.registry.dataset("tiny").frame()
        log = self.registry.run("tiny-s-f0").log()
        for one in (frame, log):
            pandas, polars, arrow = one.to_pandas(), one.to_polars(), one.to_arrow()
            self.assertEqual(list(pandas.columns), one.columns)
            self.assertEqual((polars.columns, arrow.column_names), (one.columns, one.columns))
            rows = one.rows()
            self.assertEqual(polars.rows(named=True), rows)
            self.assertEqual(arrow.to_pylist(), rows)
            self.assertEqual(len(pandas), len(rows))
        self.assertIn("Patient Age", repr(frame))
        masked = regcxr.Frame("m", {"n": np.ma.MaskedArray(np.array([1, 2]), [False, True]), "t": np.array(["a", None], dtype=object)})
        self.assertEqual(masked.rows(), [{"n": 1, "t": "a"}, {"n": None, "t": None}])
        self.assertEqual(masked.to_polars().rows(named=True), masked.rows())
        self.assertEqual(masked.to_arrow().to_pylist(), masked.rows())
        self.assertTrue(masked.to_pandas()["n"].isna()[1] and masked.to_pandas()["n"][0] == 1)

    def test_long_work_lets_other_threads_go_on(self):
        """While a bootstrap is computed, another thread of Python counts."""
        ticks, done = [], threading.Event()

        def tick():
            while not done.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.001)

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.perf_counter()
        self.registry.compare("mlp-s-f0", bootstrap=20_000, seed=7)
        end = time.perf_counter()
        done.set()
        thread.join()
        within = [tick for tick in ticks if start < tick < end]
        self.assertGreater(len(within), min(10, (end - start) / 0.02), f"{end - start:.2f} s")


class DamageTest(unittest.TestCase):
    def test_damaged_bytes_are_never_returned(self):
        registry = regcxr.open(STUDY)
        dataset = registry.dataset("tiny")
        frame = dataset.frame()
        name, object = frame["Image Index"][0], frame["blake3"][0]
        path = os.path.join(registry.root, "objects", object[:2], object[2:])
        with open(path, "rb") as file:
            before = file.read()
        os.chmod(path, 0o644)
        try:
            with open(path, "r+b") as file:
                file.seek(60)
                file.write(bytes([before[60] ^ 1]))
            os.chmod(path, 0o444)
            with self.assertRaises(regcxr.Error) as raised:
                dataset.image(name)
            self.assertIn("reg verify", raised.exception.hint)
        finally:
            os.chmod(path, 0o644)
            with open(path, "wb") as file:
                file.write(before)
            os.chmod(path, 0o444)


if __name__ == "__main__":
    unittest.main()
