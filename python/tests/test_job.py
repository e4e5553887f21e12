"""The job of a script, as `reg run` gives it: REGCXR_STUDY names a folder with images."""

import json
import os
import tempfile
import unittest
from pathlib import Path

import numpy as np

import regcxr

IMAGES = sorted(Path(os.environ["REGCXR_STUDY"], "images").glob("*.png"))
LABELS = ["Mass", "Hernia"]
HEAD = "Image Index,path,Patient ID,Patient Age,Patient Gender,View Position"


class JobTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.out = Path(folder.name), Path(folder.name, "out")
        self.out.mkdir()
        rows = [(path.name, path, i + 1, 20 + i, "MF"[i % 2], ("PA", "AP", "")[i % 3]) for i, path in enumerate(IMAGES)]
        rows[1] = (*rows[1][:3], 411, "", "PA")
        for subset, part in {"train": rows[:6], "val": rows[6:8], "test": rows[8:11]}.items():
            labels = "" if subset == "test" else f",{','.join(LABELS)}"
            lines = [",".join(map(str, row)) + (labels and f",{i % 2},{'' if i == 0 else 1}") for i, row in enumerate(part)]
            (self.folder / f"{subset}.csv").write_text("\n".join([HEAD + labels, *lines]) + "\n")
        files = {subset: str(self.folder / f"{subset}.csv") for subset in ("train", "val", "test")}
        self.document = {"labels": LABELS, "seed": 3, "fold": 1, "dataset": "tiny", "split": "s", **files}
        (self.folder / "job.json").write_text(json.dumps(self.document))
        os.environ.update(REG_JOB=str(self.folder / "job.json"), REG_OUT=str(self.out))
        self.addCleanup(lambda: [os.environ.pop(name, None) for name in ("REG_JOB", "REG_OUT")])

    def test_it_has_the_inputs(self):
        job = regcxr.job()
        self.assertEqual((job.labels, job.seed, job.fold, job.dataset, job.split), (LABELS, 3, 1, "tiny", "s"))
        train, test = job.subset("train"), job.subset("test")
        self.assertEqual((len(train), len(test)), (6, 3))
        np.testing.assert_array_equal(train.labels[1:], [[1, 1], [0, 1], [1, 1], [0, 1], [1, 1]])
        self.assertTrue(np.isnan(train.labels[0, 1]) and np.isnan(test.labels).all())
        self.assertEqual(train.ages.mask.tolist(), [False, True, False, False, False, False])
        self.assertEqual(job.age_range, (20, 25))
        meta = train.meta(job.age_range)
        np.testing.assert_allclose(meta[0], [0, 0, 0])
        np.testing.assert_allclose(meta[1], [0.5, 0.5, 0])
        np.testing.assert_allclose(meta[5], [1, 1, 0.5])
        self.assertIn("6 train, 2 val, 3 test", repr(job))

    def test_it_takes_the_results(self):
        job = regcxr.job()
        job.log(epoch=1, train_loss=0.5, val_loss=0.4, val_auc=None)
        job.log(epoch=2, train_loss=0.4, val_loss=0.3, val_auc=0.6)
        lines = [json.loads(line) for line in (self.out / "epochs.jsonl").read_text().splitlines()]
        self.assertEqual(lines, [{"epoch": 1, "train_loss": 0.5, "val_loss": 0.4}, {"epoch": 2, "train_loss": 0.4, "val_loss": 0.3, "val_auc": 0.6}])
        scores = np.array([[0.1, 0.9], [1 / 3, 0.2], [0.5, 1e-300]])
        file = job.save_scores(scores)
        job.save_scores([[0.25, 0.75]] * 2, "val")
        head, *rows = [line.split(",") for line in file.read_text().splitlines()]
        self.assertEqual(head, ["Image Index", "Mass", "Hernia"])
        self.assertEqual([row[0] for row in rows], [path.name for path in [*IMAGES[8:11], *IMAGES[6:8]]])
        np.testing.assert_array_equal([[float(cell) for cell in row[1:]] for row in rows[:3]], scores)
        state = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1, 2], dtype=np.int64)}
        file = job.save_checkpoint(state)
        data = file.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        self.assertEqual(header["b"], {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]})
        np.testing.assert_array_equal(np.frombuffer(data[8 + length + 16 :], dtype="<f4").reshape(2, 3), state["b"])
        self.assertEqual({path.name for path in self.out.iterdir()}, {"epochs.jsonl", "scores.csv", "checkpoint.safetensors"})

    def test_mistakes_are_told_and_leave_nothing(self):
        job = regcxr.job()
        good = np.full((3, 2), 0.5)
        for arguments, words in [
            (dict(scores=np.full((2, 2), 0.5)), r"\[2, 2\] instead of \[3, 2\]"),
            (dict(scores=np.full((3, 2), 1.5)), "hint: give logits=True"),
            (dict(scores=np.full((3, 2), np.nan)), "is nan, which is no number"),
            (dict(scores=good, subset="tests"), "there are no scores of the subset `tests`"),
            (dict(scores=good, images=["a", "b", "c"]), "a is no test image of the job"),
            (dict(scores=good, images=[IMAGES[8].name] * 3), "twice"),
        ]:
            with self.assertRaisesRegex(regcxr.UsageError, words):
                job.save_scores(**arguments)
        job.save_scores(good)
        with self.assertRaisesRegex(regcxr.UsageError, "one scale"):
            job.save_scores(good[:2], "val", logits=True)
        job.log(epoch=2)
        for epoch in (2, 1, "3"):
            with self.assertRaisesRegex(regcxr.UsageError, "ascending"):
                job.log(epoch=epoch)
        with self.assertRaisesRegex(regcxr.UsageError, "val_loss of epoch 3 is inf"):
            job.log(epoch=3, val_loss=float("inf"))
        with self.assertRaisesRegex(regcxr.UsageError, "complex"):
            job.save_checkpoint({"w": np.ones(2, dtype=complex)})
        self.assertEqual({path.name for path in self.out.iterdir()}, {"epochs.jsonl", "scores.csv"})

    def test_other_starts_are_told(self):
        (self.folder / "job.json").write_text("{")
        with self.assertRaisesRegex(regcxr.Error, "cannot read .*job.json"):
            regcxr.job()
        (self.folder / "job.json").write_text(json.dumps({"labels": []}))
        with self.assertRaisesRegex(regcxr.Error, "has no 'seed'"):
            regcxr.job()
        del os.environ["REG_JOB"]
        with self.assertRaisesRegex(regcxr.Error, "was not started by `reg run`"):
            regcxr.job()

    def test_images_are_a_dataset_of_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("no torch")
        job = regcxr.job()
        self.assertIsInstance(job.train, torch.utils.data.Dataset)
        images = job.images("train", size=32, transform=lambda image: image * 2 - 1)
        for workers in (0, 2):
            batches = list(torch.utils.data.DataLoader(images, batch_size=4, num_workers=workers))
            image, labels, meta = batches[0]
            self.assertEqual((image.shape, labels.shape, meta.shape), ((4, 1, 32, 32), (4, 2), (4, 3)))
            self.assertTrue(-1 <= float(image.min()) < float(image.max()) <= 1)
            self.assertEqual([len(batch[0]) for batch in batches], [4, 2])
        plain = job.images("test", size=32)[0]
        self.assertTrue(torch.isnan(plain[1]).all() and plain[0].dtype == torch.float32)
        self.assertEqual(job.train[-1][0].shape, (1, 224, 224))
        with self.assertRaises(IndexError):
            job.train[6]
        model = torch.nn.Linear(2, 2)
        file = job.save_checkpoint(model.state_dict())
        self.assertEqual(file.name, "checkpoint.safetensors")
        self.assertEqual(job.save_checkpoint([model]).name, "checkpoint.pt")
        job.save_scores(torch.zeros(3, 2), logits=True)


if __name__ == "__main__":
    unittest.main()
