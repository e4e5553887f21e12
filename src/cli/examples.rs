//! Examples of every command, for its help and its manual page.

/// A command, as a path of words, and its examples: what is typed and what it does.
pub(super) type Examples = (&'static [&'static str], &'static [(&'static str, &'static str)]);

/// Examples of commands, each with what it does.
pub(super) const EXAMPLES: &[Examples] = &[
    (
        &[],
        &[
            ("reg demo demo", "Run the whole pipeline on synthetic X-rays"),
            ("reg list run --sort test_auc", "Find the best run"),
            ("reg trace table", "Show the lineage of a table"),
        ],
    ),
    (
        &["ingest"],
        &[(
            "reg ingest images --metadata Data_Entry_2017_v2020.csv --boxes BBox_List_2017.csv --name nih",
            "Register ChestX-ray14",
        )],
    ),
    (
        &["split", "make"],
        &[("reg split make nih --folds 5 --name s", "Draw five random re-samplings by patient, 70/10/20")],
    ),
    (
        &["train"],
        &[
            ("reg train --dataset nih --split s --fold 0 --model resnet50", "Train on the first re-sampling"),
            (
                "reg train --dataset nih --split s --fold 0 --model resnet50 --set lr=0.001 --set epochs=10 --seed 2",
                "Train with other settings",
            ),
            ("reg train --model resnet50 --settings", "List the settings of a model and their defaults"),
        ],
    ),
    (
        &["eval"],
        &[
            ("reg eval resnet50-s-f0 --tta flip", "Average the scores of the images and the mirrored images"),
            (
                "reg eval resnet50-s-f0 --subset val --operating-point sensitivity=0.9",
                "Choose thresholds that find nine of ten findings",
            ),
        ],
    ),
    (
        &["ensemble"],
        &[(
            "reg ensemble resnet50-s-f0 densenet121-s-f0 --name both",
            "Average the scores of two models on the same test images",
        )],
    ),
    (
        &["list"],
        &[
            ("reg list run --sort test_auc --limit 10", "List the ten best runs"),
            (
                "reg list run --where 'model=resnet50 and lr<0.01 and not state=failed'",
                "List the runs of one model with a small learning rate",
            ),
            (
                "reg list run --columns name,lr,batch,test_auc --format csv -o runs.csv",
                "Write chosen columns as CSV",
            ),
        ],
    ),
    (
        &["compare"],
        &[
            (
                "reg compare resnet50-s-f0 resnet50-s-f1 densenet121-s-f0 densenet121-s-f1 --name table",
                "Compare two models over two re-samplings",
            ),
            (
                "reg compare resnet50-s-f0 densenet121-s-f0 --metrics --bootstrap 2000",
                "Add more metrics and bootstrap intervals",
            ),
        ],
    ),
    (
        &["rm"],
        &[
            ("reg rm tiny-s-f0 --dry-run", "Show what would be removed, and how much space would be freed"),
            ("reg rm tiny-s-f0 --with-tables", "Also remove comparisons with other runs"),
            ("reg rm --undo tiny-s-f0", "Undo the removal"),
        ],
    ),
    (&["note"], &[("reg note tiny-s-f0 'overfits after epoch 3'", "Write a note about a run")]),
    (&["mv"], &[("reg mv tiny-s-f0 baseline", "Rename a run")]),
    (&["trace"], &[("reg trace --down patient:13", "Show all uses of the images of a patient")]),
    (&["push"], &[("reg push s3://bucket/reg", "Copy everything to a bucket")]),
    (&["pull"], &[("reg pull s3://bucket/reg table", "Copy a table with all its dependencies")]),
    (&["gc"], &[("reg gc --dry-run", "Show what would be removed")]),
    (
        &["demo"],
        &[(
            "reg demo demo",
            "Generate synthetic X-rays in the folder demo, and run the whole pipeline on them",
        )],
    ),
    (
        &["init"],
        &[
            ("reg init", "Create a registry in this folder"),
            ("reg init /data/lab --shared=group", "Create a registry that a group of users can write to"),
        ],
    ),
    (&["dataset", "list"], &[("reg dataset list", "List the data sets")]),
    (&["dataset", "show"], &[("reg dataset show nih", "Show a data set and the results that depend on it")]),
    (
        &["dataset", "stats"],
        &[
            ("reg dataset stats nih", "Show images, patients, ages, views, and the prevalence of each label"),
            ("reg dataset stats nih --svg figures", "Draw the histogram of ages as SVG"),
        ],
    ),
    (&["dataset", "diff"], &[("reg dataset diff nih nih-2020", "Show which images and labels differ")]),
    (
        &["dataset", "export"],
        &[(
            "reg dataset export nih --format croissant -o nih",
            "Write the images with a machine-readable description",
        )],
    ),
    (
        &["split", "import"],
        &[(
            "reg split import nih --train-val train_val_list.txt --test test_list.txt --val-fraction 0.1 --name official",
            "Use the published lists, with a tenth of the training patients for validation",
        )],
    ),
    (&["split", "show"], &[("reg split show s", "Show the sizes and the prevalence of each subset")]),
    (
        &["split", "check"],
        &[("reg split check s --pixels", "Search for patients, files and pixels that are in two subsets")],
    ),
    (
        &["weights", "import"],
        &[(
            "reg weights import resnet50.safetensors --name imagenet --trained-on 'external ImageNet-1k'",
            "Register pre-trained weights, and what they were trained on",
        )],
    ),
    (
        &["run"],
        &[
            (
                "reg run --dataset nih --split s --fold 0 --name mine -- python3 train.py",
                "Run a script of your own",
            ),
            (
                "reg run --dataset nih --split s --name tuned --source . --input weights=w.safetensors -- python3 train.py {weights}",
                "Run a program of several files with an input",
            ),
        ],
    ),
    (
        &["predict"],
        &[(
            "reg predict resnet50-s-f0 new.png --age 61 --gender F --view PA",
            "Score an image that is in no data set",
        )],
    ),
    (
        &["predictions", "import"],
        &[
            (
                "reg predictions import scores.csv --dataset nih --split s --fold 0 --name theirs",
                "Register the scores of another tool, and evaluate them",
            ),
            (
                "reg predictions import scores.csv --dataset nih --name theirs --columns 'pred_{label}'",
                "Give the pattern of the score columns",
            ),
        ],
    ),
    (
        &["study", "init"],
        &[(
            "reg study init study.toml --dataset nih",
            "Write a study file with the eight setups of the paper",
        )],
    ),
    (
        &["study", "run"],
        &[
            ("reg study run study.toml --plan", "Show what would be trained, and how long it would take"),
            ("reg study run study.toml --slurm --partition gpu", "Submit one Slurm task for each run"),
        ],
    ),
    (
        &["study", "status"],
        &[("reg study status study.toml", "Show which runs are done, running and failed")],
    ),
    (
        &["study", "compare"],
        &[(
            "reg study compare study.toml --primary resnet50:densenet121",
            "Compare the setups of a study; the comparison of one pair is named in advance",
        )],
    ),
    (
        &["probe"],
        &[("reg probe resnet50-s-f0 --target gender", "Predict the gender from the features of a network")],
    ),
    (
        &["gradcam"],
        &[
            (
                "reg gradcam resnet50-s-f0 00000013_005.png --label Emphysema -o map.png",
                "Draw the image regions that support a label",
            ),
            (
                "reg gradcam resnet50-s-f0 --boxes",
                "Count how often the maximum of the heat map is in an annotated box",
            ),
        ],
    ),
    (
        &["show"],
        &[
            ("reg show resnet50-s-f0", "Show the settings, results and learning curves of a run"),
            ("reg show table --format latex", "Print a table for a paper"),
        ],
    ),
    (
        &["report"],
        &[("reg report table -o report.html", "Write a table, its figures and its lineage as one page")],
    ),
    (
        &["serve"],
        &[
            ("reg serve", "Show the registry in a browser on this machine"),
            (
                "reg serve --socket reg.sock",
                "Listen on a socket that only your account can open, for `ssh -L`",
            ),
        ],
    ),
    (&["tag"], &[("reg tag best resnet50-s-f0", "Give a record another name")]),
    (
        &["log"],
        &[
            ("reg log", "List the changes of names, newest first"),
            ("reg log --follow resnet50-s-f0", "Follow a running training"),
        ],
    ),
    (&["cat"], &[("reg cat table", "Print the bytes of a table's record")]),
    (
        &["diff"],
        &[(
            "reg diff resnet50-s-f0 resnet50-s-f1",
            "Show how two runs differ, and where their lineages diverge",
        )],
    ),
    (
        &["verify"],
        &[
            ("reg verify", "Hash all objects"),
            ("reg verify table --recompute", "Check a table and its lineage, and recompute its numbers"),
        ],
    ),
    (&["reproduce"], &[("reg reproduce resnet50-s-f0", "Train a run again, and compare the bytes")]),
    (&["audit"], &[("reg audit table -o table.zip", "Pack a table and its lineage, except images")]),
    (&["audit", "verify"], &[("reg audit verify table.zip", "Check a bundle, and recompute its numbers")]),
    (
        &["audit", "check-program"],
        &[("reg audit check-program -o check.py", "Write the program that checks a bundle without reg")],
    ),
    (
        &["attest"],
        &[("reg attest table --key lab.pem -o table.json", "Sign a statement about the inputs of a table")],
    ),
    (
        &["attest", "verify"],
        &[("reg attest verify table.json --key lab.pem.pub", "Check the signature of a statement")],
    ),
    (&["key", "new"], &[("reg key new -o lab.pem", "Create a key pair for statements")]),
    (&["key", "public"], &[("reg key public lab.pem", "Write the public key of a private key")]),
    (
        &["withdraw"],
        &[("reg withdraw patient:13 --reason 'consent withdrawn'", "Withdraw the images of a patient")],
    ),
    (
        &["export"],
        &[
            ("reg export resnet50-s-f0 -o scores.csv", "Write the test scores of a run"),
            ("reg export table -o tables", "Write each part of a table as a file in a folder"),
            (
                "reg export resnet50-s-f0 --format checkpoint -o model",
                "Write the weights of a run and a model.py that loads them",
            ),
        ],
    ),
    (&["export", "mlflow"], &[("reg export mlflow mlruns", "Write all runs as an MLflow store")]),
    (&["trust"], &[("reg trust /data/lab", "Use a registry that belongs to another account")]),
    (&["doctor"], &[("reg doctor", "Search for problems of the registry, the disk and the worker")]),
    (&["reindex"], &[("reg reindex", "Rebuild the index from the objects")]),
    (&["completions"], &[("reg completions bash", "Print the completion script for bash")]),
    (&["man"], &[("reg man -o man", "Write all manual pages to a folder")]),
];
