//! `reg run`: programs of the user's own as runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Study;

pub(crate) const TRAIN: &str = include_str!("../../examples/programs/prevalence.py");
/// How the tests run a program.
const RUN: &str = "run --dataset tiny --split s --fold 0 --name theirs --";

pub(crate) fn python(study: &Study, name: &str, text: &str) {
    fs::write(study.path(name), text).unwrap();
}

/// A data set with a split and the program `train.py`.
pub(crate) fn with_program() -> Study {
    let study = Study::divided();
    python(&study, "train.py", TRAIN);
    study
}

fn names(study: &Study, kind: &str) -> Vec<String> {
    let listed = study.json(&format!("list {kind}"));
    let all = listed["runs"].as_array().or(listed["records"].as_array()).unwrap();
    all.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_program_is_a_run_with_all_that_a_run_has() {
    let study = Study::trained();
    python(&study, "train.py", TRAIN);
    let ran = study.json(&format!("{RUN} python3 train.py test val"));
    assert_eq!((&ran["cached"], &ran["environment"]), (&json!(false), &json!([])));
    assert!(ran["auc"]["mean"].as_f64().unwrap() > 0.0, "{ran}");
    let left: Vec<&str> =
        ran["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(left, ["notes.txt", "scores.csv"]);
    let record = study.json("show theirs");
    assert_eq!(record["record"]["best_epoch"], json!(1));
    // That of its validation scores, whatever it says itself.
    assert!(record["run"]["val_auc_labels"].as_u64().is_some_and(|labels| labels > 1), "{record}");
    let silent = study.json("run --dataset tiny --split s --fold 0 --name silent -- python3 train.py test");
    let silent = silent["run"].as_str().unwrap();
    assert_eq!(study.json("list run --where name=silent")["runs"][0]["val_auc"], Value::Null);
    assert!(study.ok(&format!("show {silent}")).contains("as the program reports it; without scores"));
    study.ok("rm silent");
    let spec = study.json(&format!("show {}", ran["spec"].as_str().unwrap()));
    assert_eq!(spec["record"]["program"]["command"], json!(["python3", "train.py", "test", "val"]));
    assert!(spec["record"]["program"]["interpreter"].as_str().unwrap().starts_with("Python 3."));
    let page = study.ok("show theirs");
    for line in ["a program of the user's own", "train.py", "notes.txt", "Isolation"] {
        assert!(page.contains(line), "{line}: {page}");
    }

    let again = study.json(&format!("{RUN} python3 train.py test val"));
    assert_eq!((&again["cached"], &again["run"]), (&json!(true), &ran["run"]));
    let listed = study.json("list run --where model=train");
    assert_eq!(listed["runs"][0]["test_auc"], ran["auc"]["mean"], "{listed}");

    let compared = study.ok("compare theirs mlp-s-f0 --name both");
    assert!(
        compared.contains("Scored by a program of the user's own: train. Trained by reg: mlp."),
        "{compared}"
    );
    let up = study.ok("trace both");
    assert!(up.contains("a program of 1 file") && up.contains("theirs"), "{up}");
    let image = record["record"]["spec"].as_str().unwrap();
    assert!(study.ok(&format!("trace --down {image}")).contains("both"));
    for id in ["theirs", "both"] {
        study.ok(&format!("audit {id} -o {id}.zip"));
        study.ok(&format!("audit verify {id}.zip"));
        let check = study.path(&format!("check-{id}.py"));
        study.ok(&format!("audit check-program -o {}", check.display()));
        let checked = std::process::Command::new("python3")
            .arg("-I")
            .arg(check)
            .arg(study.path(&format!("{id}.zip")))
            .output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
    study.ok("verify --recompute");
    let reproduced = study.json("reproduce theirs");
    assert_eq!(reproduced["identical"], json!(true), "{reproduced}");
    assert_eq!(reproduced["compared"], json!(["checkpoint", "log", "notes.txt", "scores.csv"]));

    study.ok("note theirs counted");
    study.ok("push remote");
    let other = Study::bare();
    other.ok("init");
    other.ok(&format!("pull {}", study.path("remote").display()));
    assert_eq!(other.json("list run --where model=train")["runs"][0]["note"], json!("counted"));
    study.ok("report theirs -o r.html");
    study.ok("export theirs -o card.md");
    assert!(fs::read_to_string(study.path("card.md")).unwrap().contains("is a program of the user's own"));
    study.ok("key new -o k");
    study.ok("attest theirs --key k -o a.json");
    study.ok("attest verify a.json --key k.pub");
    study.refused(1, "eval theirs", &["is a run of your own program", "hint: "]);
    study.refused(1, "probe theirs --target view", &["is a run of your own program"]);
    study.ok("rm theirs both");
    assert!(!names(&study, "run").contains(&"theirs".to_owned()));
}

#[test]
fn one_changed_byte_input_variable_or_seed_is_another_run() {
    let study = with_program();
    let spec = |arguments: &str| study.json(arguments)["spec"].as_str().unwrap().to_owned();
    let run = "run --dataset tiny --split s --fold 0 --move --name theirs";
    fs::write(study.path("w.txt"), "1").unwrap();
    let mut specs = vec![
        spec(&format!("{run} -- python3 train.py")),
        spec(&format!("{run} --seed 2 -- python3 train.py")),
        spec(&format!("{run} --env A=1 -- python3 train.py")),
        spec(&format!("{run} --input weights=w.txt -- python3 train.py")),
    ];
    fs::write(study.path("w.txt"), "2").unwrap();
    specs.push(spec(&format!("{run} --input weights=w.txt -- python3 train.py")));
    python(&study, "train.py", &format!("{TRAIN}#"));
    specs.push(spec(&format!("{run} -- python3 train.py")));
    let mut different = specs.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), specs.len(), "{specs:?}");
    // Where the program and its input lie is no part of it.
    fs::create_dir(study.path("elsewhere")).unwrap();
    fs::copy(study.path("train.py"), study.path("elsewhere/train.py")).unwrap();
    let path = study.path("elsewhere/train.py");
    assert_eq!(spec(&format!("{run} -- python3 {}", path.display())), specs[5]);
}

#[test]
fn a_program_gets_its_source_tree_inputs_and_variables_and_nothing_else() {
    let study = with_program();
    fs::create_dir_all(study.path("tool/lib")).unwrap();
    fs::write(study.path("tool/.gitignore"), "ignored.txt\n").unwrap();
    fs::write(study.path("tool/ignored.txt"), "x").unwrap();
    python(&study, "tool/lib/own.py", "VALUE = 1\n");
    let text = "import os, sys\nfrom lib.own import VALUE\nassert open(sys.argv[1]).read() == 'w'\n\
        assert open(os.environ['REG_INPUT_weights']).read() == 'w' and sys.argv[1].endswith('w.txt')\n\
        assert os.environ['GIVEN'] == 'yes' and 'SECRET' not in os.environ\n\
        assert sorted(os.listdir('.')) == ['.gitignore', 'lib', 'main.py'], os.listdir('.')\n\
        sys.argv = ['train.py']\n";
    python(&study, "tool/main.py", &format!("{text}{TRAIN}"));
    fs::write(study.path("w.txt"), "w").unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(study.path("tool")).args(["-c", "user.name=a", "-c", "user.email=a@b.c"]);
        assert!(command.args(arguments).output().unwrap().status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let run = "run --dataset tiny --split s --name theirs --source tool --input weights=w.txt --env GIVEN=yes -- \
        python3 main.py w.txt";
    let mut command = study.command(&format!("--json {run}"));
    let output = command.env("SECRET", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran: Value = serde_json::from_slice(&output.stdout).unwrap();
    let spec = study.json(&format!("show {}", ran["spec"].as_str().unwrap()));
    assert_eq!(spec["record"]["program"]["command"], json!(["python3", "main.py", "{weights}"]));
    let files = spec["record"]["program"]["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [".gitignore", "lib/own.py", "main.py"]);
    assert!(study.ok("show theirs").contains("git:"));
    // A change that is not committed counts.
    python(&study, "tool/lib/own.py", "VALUE = 2\n");
    let changed =
        study.json(&format!("{} main.py w.txt", run.replace(" main.py w.txt", "").replace("theirs", "two")));
    assert_ne!(changed["spec"], ran["spec"]);
    assert!(study.ok("show two").contains("with uncommitted changes"));
}

#[test]
fn what_a_program_leaves_is_checked_by_name_and_nothing_is_registered() {
    let study = with_program();
    let before = study.json("list run");
    for (change, message) in [
        ("lines.pop()", "scores.csv, but it has no scores of 1 test image ("),
        ("lines.append(lines[-1])", "scores.csv, but it has two rows for image "),
        (
            "lines.append(lines[-1].replace(lines[-1].split(',')[0], 'x.png'))",
            "it has 1 image (x.png) not in the data set",
        ),
        (
            "lines.append(rows('train')[0]['Image Index'] + lines[-1][lines[-1].index(','):])",
            "of neither the test nor the validation images",
        ),
        ("lines[1] = lines[1].rsplit(',', 1)[0] + ',nan'", "\"nan\", not a finite number"),
        ("lines[1] = lines[1].rsplit(',', 1)[0] + ',1.5'", "which is not a probability"),
        (
            "lines[0] = lines[0].replace('prob_Mass', 'prob_Masses')",
            "it has 1 column (prob_Masses) not named after a label",
        ),
        ("lines = [line.rsplit(',', 1)[0] for line in lines]", "it has no column for 1 label ("),
        (
            "lines[0] = lines[0].replace('prob_Mass', 'logit_Mass')",
            "its column logit_Mass has logits and its column prob_Atelectasis has probabilities",
        ),
        ("lines = None", "the program left no scores: none of scores.csv, scores.npy"),
        ("open(out + '/scores.npy', 'w').write('')", "it left scores.npy as well"),
        ("open(out + '/scores.parquet', 'w').write('')", "scores are read from scores.csv or scores.npy"),
        ("os.symlink('/etc/passwd', out + '/link')", "link, but it is a link or a device"),
        (
            "open(out + '/epochs.jsonl', 'w').write('{\"epoch\":1}\\n{\"epoch\":1}\\n')",
            "epochs.jsonl, but its line 2",
        ),
        (
            "open(out + '/epochs.jsonl', 'w').write(json.dumps({'epoch': 1, 'val_loss': float('nan')}))",
            "its line 1 has NaN, which is not valid JSON",
        ),
        ("print('broken', file=sys.stderr); sys.exit(3)", "the program failed (exit status 3): broken"),
        ("os.kill(os.getpid(), 15)", "the program failed (signal 15)"),
    ] {
        let tail = format!(
            "\npath = out + '/scores.csv'\nlines = open(path, newline='').read().splitlines()\n{change}\nos.remove(path)\n\
             if lines is not None:\n    open(path, 'w').write('\\n'.join(lines) + '\\n')\n"
        );
        python(&study, "bad.py", &format!("{TRAIN}{tail}"));
        study.refused(1, &format!("{RUN} python3 bad.py"), &[message]);
        assert_eq!(study.json("list run --where state=done")["runs"], json!([]), "{change}");
        study.ok("rm theirs");
    }
    // Failed attempts under one name do not pile up, unless one has left something to go on from.
    for (text, attempts) in [
        ("1 / 0", 1),
        ("2 / 0", 1),
        ("import os; open(os.environ['REG_OUT'] + '/x', 'w'); 3 / 0", 1),
        ("4 / 0", 2),
    ] {
        python(&study, "bad.py", text);
        study.refused(1, &format!("{RUN} python3 bad.py"), &["ZeroDivisionError"]);
        assert_eq!(study.json("list run")["runs"].as_array().unwrap().len(), attempts, "{text}");
    }
    study.ok("rm theirs");
    study.ok("rm theirs");
    assert_eq!(study.json("list run"), before);
    for (arguments, code, message) in [
        (
            "run --dataset tiny --split s --name x -- no-such-program",
            1,
            "there is no program no-such-program",
        ),
        ("run --dataset tiny --split s --name x --env NOT_THERE -- python3 train.py", 2, "--env NOT_THERE"),
        (
            "run --dataset tiny --split s --name x --env REG_OUT=1 -- python3 train.py",
            2,
            "reg itself sets this variable",
        ),
        (
            "run --dataset tiny --split s --name x --input a.b=train.py -- python3 train.py",
            1,
            "--input a.b=train.py",
        ),
        ("run --dataset tiny --split s --name x --timeout 0 -- python3 train.py", 2, "a time above 0"),
        ("run --dataset tiny --split s --fold 7 --name x -- python3 train.py", 1, "7"),
    ] {
        study.refused(code, arguments, &[message]);
    }
}

#[test]
fn a_confined_program_reaches_neither_labels_nor_home_nor_the_network() {
    let study = with_program();
    let secret = study.path("data.csv");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!(
        "import os, socket\ndef no(path, mode='r'):\n    try:\n        open(path, mode)\n    except OSError:\n        return\n    \
         raise SystemExit('reached ' + path)\n\
         def no_net():\n    try:\n        socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 2)\n    \
         except OSError:\n        return\n    raise SystemExit('reached the network')\n\
         no({:?})\nno({:?})\nno('train.py', 'a')\nno('/etc/shadow')\nno_net()\n",
        secret.display().to_string(),
        study.path(".reg/reg.redb").display().to_string(),
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    python(&study, "probe.py", &format!("{text}{TRAIN}"));
    let run = format!("run --dataset tiny --split s --name theirs --env PORT={port}");
    let answer = study.reg(&format!("--json {run} -- python3 probe.py"));
    let ran: Value = answer.json();
    if answer.code != 0 {
        // A kernel without Landlock says so; then nothing was promised.
        let open = study.json(&format!("{run} --network -- python3 train.py"));
        assert_eq!(open["isolation"]["landlock"], Value::Null, "{answer:?}");
        return;
    }
    assert!(ran["isolation"]["landlock"].as_u64().is_some_and(|version| version > 0), "{ran}");
    assert!(["namespace", "tcp"].contains(&ran["isolation"]["network"].as_str().unwrap()), "{ran}");
    let open = study.json(&format!("{run} --move --network -- python3 train.py"));
    assert_eq!(open["isolation"]["network"], json!("allowed"));
}

#[test]
fn no_file_decides_what_a_program_does_unless_its_record_names_it() {
    let study = with_program();
    fs::create_dir(study.path("src")).unwrap();
    python(&study, "src/train.py", &format!("import sys\nsys.argv = sys.argv[:1]\n{TRAIN}"));
    python(&study, "outside.py", TRAIN);
    let run = "run --dataset tiny --split s --fold 0 --name theirs --source src";
    let outside = study.path("outside.py").display().to_string();
    study.refused(
        1,
        &format!("{run} -- python3 {outside}"),
        &["outside.py: it is not below --source src", "--input KEY=FILE"],
    );
    // A file of the folder may be called by its whole path; an input may lie anywhere.
    let inside = study.path("src/train.py").display().to_string();
    let ran = study.json(&format!("{run} --input main={outside} -- python3 {inside} {outside}"));
    let spec = study.json(&format!("show {}", ran["spec"].as_str().unwrap()));
    assert_eq!(spec["record"]["program"]["command"], json!(["python3", "train.py", "{main}"]));

    // What lies beside a folder of programs is nobody's library, and neither is a folder that a `.pth` file names.
    fs::create_dir_all(study.path("tools/bin")).unwrap();
    fs::create_dir_all(study.path("mine")).unwrap();
    python(&study, "tools/secret.txt", "secret");
    python(&study, "mine/editable.py", "VALUE = 1");
    let made = std::process::Command::new("python3")
        .args(["-m", "venv", "--without-pip", "--system-site-packages"])
        .arg(study.path("venv"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let packages = fs::read_dir(study.path("venv/lib")).unwrap().next().unwrap().unwrap().path();
    let pth = format!("{}\n", study.path("mine").display());
    fs::write(packages.join("site-packages/mine.pth"), pth).unwrap();
    let probe = format!(
        "import os\nfound = []\nfor path in ({:?}, '/proc/%d/environ' % os.getppid()):\n    try:\n        open(path).read()\n        \
         found.append(path)\n    except OSError:\n        pass\ntry:\n    import editable\n    found.append('editable')\n\
         except ModuleNotFoundError:\n    pass\nif found:\n    raise SystemExit('reached ' + ' '.join(found))\n",
        study.path("tools/secret.txt").display().to_string(),
    );
    python(&study, "probe.py", &format!("{probe}{TRAIN}"));
    let search = format!("{}:{}", study.path("tools/bin").display(), std::env::var("PATH").unwrap());
    let answer = |script: &str| {
        let run = format!(
            "--json run --dataset tiny --split s --fold 0 --name p-{script} -- venv/bin/python {script}"
        );
        study.command(&run).env("PATH", &search).output().unwrap()
    };
    let output = answer("probe.py");
    if !output.status.success() {
        let open = study.json("run --dataset tiny --split s --name open -- python3 train.py");
        assert_eq!(open["isolation"]["landlock"], Value::Null, "{output:?}");
        return;
    }
    python(&study, "import.py", "import editable\n");
    let output = answer("import.py");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("No module named 'editable'") && said.contains("--source DIR"), "{said}");
}

#[test]
fn labels_of_test_images_are_found_in_any_table_and_in_scores() {
    let study = with_program();
    let metadata = fs::read_to_string(study.path("data.csv")).unwrap();
    let column = |row: &str, place: usize| row.split(',').nth(place).unwrap_or_default().to_owned();
    let rows: Vec<&str> = metadata.lines().skip(1).collect();
    let labels = rows.iter().map(|row| format!("images/{};{}\n", column(row, 0), column(row, 1)));
    let short = format!("file;finding\n{}", labels.collect::<String>());
    let one = rows.iter().map(|row| {
        let is = column(row, 1).split('|').any(|label| label == "Infiltration");
        format!("{},{}\n", column(row, 0).trim_end_matches(".png"), if is { 0.9 } else { 0.1 })
    });
    let numbers = format!("id,y\n{}", one.collect::<String>());
    let packed = {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(format!("{metadata}\n").as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    for (name, bytes) in [
        ("copy.csv", metadata.replace('\n', "\r\n").into_bytes()),
        ("copy.csv.gz", packed),
        ("short.txt", short.into_bytes()),
        ("numbers.csv", numbers.into_bytes()),
    ] {
        fs::write(study.path(name), bytes).unwrap();
        for with in
            [format!("--input labels={name} -- python3 train.py"), format!("-- python3 train.py {name}")]
        {
            let said = format!("{name}, which contains the labels of data set");
            study.refused(1, &format!("run --dataset tiny --split s --name x {with}"), &[&said]);
        }
    }
    // The same in other forms, packed or not.
    python(
        &study,
        "forms.py",
        "import csv, gzip, io, json, struct, tarfile, zipfile\n\
        rows = [(row['Image Index'], row['Finding Labels']) for row in csv.DictReader(open('data.csv'))]\n\
        rows.sort()\nnames = [name for name, _ in rows]\nfound = ['No Finding' in labels for _, labels in rows]\n\
        text = '\\n'.join(f'{n};{l}' for n, l in rows).encode()\n\
        made = {\n'records.json': json.dumps([{'f': n, 'y': l} for n, l in rows]).encode(),\n\
        'object.json': json.dumps({'meta': {'v': 1}, 'truth': {n: l.split('|') for n, l in rows}}).encode(),\n\
        'columns.json': json.dumps({'f': names, 'y': found}).encode(),\n\
        'lines.jsonl': '\\n'.join(json.dumps([n, int(y)]) for n, y in zip(names, found)).encode(),\n\
        'lists.json': json.dumps({'Mass': [n for n, l in rows if 'Mass' in l], 'No Finding': [n for n, l in rows if 'No' in l]}).encode(),\n\
        'across.csv': '\\n'.join(','.join(map(str, line)) for line in (['', *names], ['n', *map(int, found)])).encode(),\n\
        'wide.tsv': b'\\xff\\xfe' + text.decode().replace(';', '\\t').encode('utf-16-le'),\n\
        'twice.gz': gzip.compress(gzip.compress(text))}\n\
        head = \"{'descr': '|b1', 'fortran_order': False, 'shape': (%d,), }\" % len(rows)\n\
        made['truth.npy'] = b'\\x93NUMPY\\x01\\0' + struct.pack('<H', len(head)) + head.encode() + bytes(found)\n\
        def zipped(files):\n    out = io.BytesIO()\n    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:\n        \
        [z.writestr(name, data) for name, data in files.items()]\n    return out.getvalue()\n\
        made['truth.npz'] = zipped({'other.npy': made['truth.npy'][:40], 'y.npy': made['truth.npy']})\n\
        made['table.zip'] = zipped({'read.me': b'x', 'a/b.csv': text})\n\
        made['folders.zip'] = zipped({f'test/{l.split(\"|\")[0]}/{n}': b'' for n, l in rows})\n\
        out = io.BytesIO()\nwith tarfile.open(fileobj=out, mode='w:gz') as t:\n    \
        entry = tarfile.TarInfo('t/x.csv')\n    entry.size = len(text)\n    t.addfile(entry, io.BytesIO(text))\n\
        made['table.tar.gz'] = out.getvalue()\n\
        for name, data in made.items():\n    open(name, 'wb').write(data)\nprint(*made)\n",
    );
    let made = std::process::Command::new("python3").arg("forms.py").current_dir(study.path("")).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
    let made = String::from_utf8(made.stdout).unwrap();
    assert_eq!(made.split_whitespace().count(), 13);
    for name in made.split_whitespace() {
        let said = format!("{name}, which contains the labels of data set");
        let run = format!("run --dataset tiny --split s --name x --input labels={name} -- python3 train.py");
        study.refused(1, &run, &[&said]);
    }
    // The registry's own object with the labels of all images.
    let manifest = study.json("show tiny")["record"]["manifest"].as_str().unwrap().to_owned();
    let object = format!(".reg/objects/{}/{}", &manifest[..2], &manifest[2..]);
    fs::copy(study.path(&object), study.path("packed.bin")).unwrap();
    study.refused(
        1,
        "run --dataset tiny --split s --name x --input m=packed.bin -- python3 train.py",
        &["packed.bin, which contains the labels of data set"],
    );
    // Ages are no labels.
    let ages = rows.iter().map(|row| format!("{},{}\n", column(row, 0), column(row, 4)));
    fs::write(study.path("ages.csv"), format!("id,age\n{}", ages.collect::<String>())).unwrap();
    study.ok("run --dataset tiny --split s --name ages --input ages=ages.csv -- python3 train.py");
    let ages = rows.iter().map(|row| (column(row, 0), json!([column(row, 4), column(row, 5)])));
    fs::write(study.path("ages.json"), json!(ages.collect::<serde_json::Map<_, _>>()).to_string()).unwrap();
    study.ok("run --dataset tiny --split s --name json --input ages=ages.json -- python3 train.py");
    // A program that knows them in another way gives itself away.
    python(
        &study,
        "known.py",
        "import json, os, sys\nknown = json.loads(sys.argv[1])\njob = json.load(open(os.environ['REG_JOB']))\n\
        names = [line.split(',')[0] for line in open(job['test']).read().splitlines()[1:]]\n\
        with open(os.environ['REG_OUT'] + '/scores.csv', 'w') as out:\n    \
        out.write(','.join(['Image Index'] + job['labels']) + '\\n')\n    for name in names:\n        \
        out.write(','.join([name] + [str(float(label in known[name])) for label in job['labels']]) + '\\n')\n",
    );
    let known: std::collections::BTreeMap<String, Vec<String>> = rows
        .iter()
        .map(|row| (column(row, 0), column(row, 1).split('|').map(str::to_owned).collect()))
        .collect();
    let output = study
        .command("run --dataset tiny --split s --name x -- python3 known.py")
        .arg(serde_json::to_string(&known).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("which it was not given"), "{said}");
}

#[test]
fn what_a_source_leaves_out_is_told() {
    let study = with_program();
    let git = |folder: &str, arguments: &[&str]| {
        let made =
            std::process::Command::new("git").arg("-C").arg(study.path(folder)).args(arguments).output();
        assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
    };
    for folder in ["tool/nested", "tool/data", "plain/.hidden"] {
        fs::create_dir_all(study.path(folder)).unwrap();
    }
    for file in ["tool/train.py", "plain/train.py"] {
        python(&study, file, TRAIN);
    }
    for (file, text) in [
        ("tool/.gitignore", "data/\n*.log\n"),
        ("tool/data/x.txt", "x"),
        ("tool/run.log", "x"),
        ("tool/nested/inner.py", "x = 1"),
        ("plain/.hidden/x", "x"),
        ("plain/.env", "x"),
    ] {
        fs::write(study.path(file), text).unwrap();
    }
    git("tool", &["init", "-q"]);
    git("tool/nested", &["init", "-q"]);
    for (source, left_out) in
        [("tool", json!(["data/", "nested/", "run.log"])), ("plain", json!([".env", ".hidden/"]))]
    {
        let run =
            format!("run --dataset tiny --split s --name {source} --source {source} -- python3 train.py");
        let output = study.command(&format!("--json {run}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("not in the program's copy of --source"), "{said}");
        let ran: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(ran["left_out"], left_out);
    }
    // The same program under another name says under which it is known.
    let run = "run --dataset tiny --split s --name other --source plain -- python3 train.py";
    let output = study.command(run).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("other is a further name of the run plain"), "{said}");
}

#[test]
fn a_file_that_is_not_executable_is_called_so() {
    let study = with_program();
    let run = "run --dataset tiny --split s --name x";
    study.refused(
        1,
        &format!("{run} -- ./train.py"),
        &["./train.py is not executable", "`-- python3 ./train.py`", "`chmod +x ./train.py`"],
    );
    study.refused(1, &format!("{run} -- train.py"), &["there is no program train.py", "chmod +x ./train.py"]);
    let whole = study.path("train.py").display().to_string();
    study.refused(1, &format!("{run} -- {whole}"), &["is not executable", "chmod +x"]);
}

#[test]
fn a_program_is_ended_with_all_that_it_started_and_goes_on_with_what_it_left() {
    let study = with_program();
    fs::write(
        study.path("slow.sh"),
        "#!/bin/sh\nif [ -e \"$REG_OUT/state.txt\" ]; then exec python3 train.py; fi\n\
         echo half > \"$REG_OUT/state.txt\"\nsetsid sleep 1234.5 &\nsleep 1000 &\necho started\nsleep 1000\n",
    )
    .unwrap();
    fs::set_permissions(study.path("slow.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let begun = Instant::now();
    let run = "run --dataset tiny --split s --name theirs";
    study.refused(
        1,
        &format!("{run} --timeout 0.5 -- ./slow.sh train.py"),
        &["longer than --timeout", "hint: "],
    );
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    // Also what has left its group.
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let sleeps = |path: &std::path::Path| {
        fs::read(path.join("cmdline")).is_ok_and(|line| line == b"sleep\x001234.5\x00")
    };
    assert_eq!(processes.filter(|entry| sleeps(&entry.path())).count(), 0);
    let listed = study.json("list run");
    assert_eq!(listed["runs"][0]["state"], json!("failed"), "{listed}");
    let ran = study.json(&format!("{run} -- ./slow.sh train.py"));
    assert_eq!(ran["cached"], json!(false));
    assert!(ran["files"].to_string().contains("state.txt"), "{ran}");

    // An interrupt ends it in the same way.
    let mut child = study.command(&format!("{run} --move --seed 2 -- ./slow.sh train.py"));
    let child =
        child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let live = || {
        fs::read_dir(study.path(".reg/live"))
            .unwrap()
            .flatten()
            .any(|one| one.path().join("out/state.txt").exists())
    };
    let begun = Instant::now();
    while !live() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .unwrap();
    let mut child = child;
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(study.json("list run --where seed=2")["runs"][0]["state"], json!("interrupted"));
    study.ok(&format!("{run} --move --seed 2 -- ./slow.sh train.py"));
}

#[test]
fn a_study_runs_programs_beside_networks_and_hands_them_to_slurm() {
    let study = with_program();
    fs::write(study.path("age.sh"), include_str!("../../examples/programs/age.sh")).unwrap();
    fs::set_permissions(study.path("age.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let setup = |name: &str, rest: &str| format!("[[setup]]\nsection = 'only'\nname = '{name}'\n{rest}\n");
    let file = |setups: &str| {
        let head = "name = 'both'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 1\n\
            [[section]]\nname = 'only'\nsplit = 's'\n";
        fs::write(study.path("both.toml"), format!("{head}{setups}")).unwrap();
    };
    let meta = setup("meta", "model = 'mlp'");
    let age = setup("age", "command = ['./age.sh']");
    let theirs = setup("theirs", "command = ['python3', 'train.py']\nenv = { A = '1' }");
    for (wrong, message) in [
        (setup("t", ""), "setup `t` needs either `model` or `command`"),
        (setup("t", "model = 'mlp'\ncommand = ['x']"), "setup `t` needs either `model` or `command`"),
        (setup("t", "model = 'mlp'\nenv = { A = '1' }"), "belong to a `command`"),
        (setup("t", "command = ['x']\nset = { epochs = 1 }"), "belong to a `model`"),
        (
            format!("{}[[probe]]\nsetup = 't'\ntargets = ['age']\n", setup("t", "command = ['x']")),
            "setup `t` is a program",
        ),
    ] {
        file(&wrong);
        study.refused(1, "study run both.toml --plan", &[message]);
    }
    file(&format!("{meta}{age}{theirs}"));
    study.refused(1, "study run both.toml --slurm --plan", &["cannot be estimated", "--time"]);
    let script = study.ok("study run both.toml --slurm --plan --time 1:00:00 --mem 1G");
    assert!(script.contains("; program --dataset ") && script.contains("; train --dataset "), "{script}");
    let done = study.json("study run both.toml --jobs 2");
    assert_eq!((&done["done"], &done["failed"]), (&json!(6), &json!(0)), "{done}");
    let again = study.json("study run both.toml");
    assert!(again["runs"].as_array().unwrap().iter().all(|run| run["cached"] == json!(true)), "{again}");
    let compared = study.ok("study compare both.toml");
    assert!(
        compared.contains("Scored by a program of the user's own: age, theirs. Trained by reg: meta."),
        "{compared}"
    );
}
