//! Programs and weights of people who use PyTorch: the examples as runs, and the weights that other packages make.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::Study;
use crate::{ROOT, support};

#[test]
fn plain_pytorch_and_scikit_learn_are_runs_beside_those_of_reg() {
    let Some(python) = support::torch_with("torch, torchvision, PIL, sklearn") else { return };
    let study = Study::trained();
    for program in ["finetune.py", "boosting.py"] {
        fs::copy(Path::new(ROOT).join("examples/programs").join(program), study.path(program)).unwrap();
    }
    // Weights with a last layer for other labels, as they are published.
    let make = "import torch, torchvision as t; \
                torch.save(t.models.densenet121(num_classes=7).state_dict(), 'densenet121.pt'); \
                torch.save(t.models.VisionTransformer(64, 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, \
                num_classes=7).state_dict(), 'vit.pt')";
    assert!(Command::new(&python).args(["-c", make]).current_dir(study.path("")).status().unwrap().success());
    let python = python.display();
    for network in ["densenet121", "vit"] {
        let run = format!(
            "run --dataset tiny --split s --fold 0 --name {network} --input weights={network}.pt --env SIZE=64 --env EPOCHS=2 \
             -- {python} finetune.py {network} {{weights}}"
        );
        let ran = study.json(&run);
        assert_eq!(ran["cached"], json!(false), "{ran}");
        assert_eq!(ran["unknown_ancestry"][0]["files"][0]["input"], json!(format!("{network}.pt")));
        assert_eq!(study.json(&run)["cached"], json!(true));
        let record = study.json(&format!("show {network}"))["record"].clone();
        assert_eq!((&record["epochs"], record["checkpoint"].is_string()), (&json!(2), true), "{record}");
        // The same bits again.
        study.reg(&format!("reproduce {network}")).says(0, &[]);
    }
    study.ok(&format!("run --dataset tiny --split s --fold 0 --name boosting -- {python} boosting.py"));
    let compared = study
        .ok("compare tiny-s-f0 --label dense=densenet121 --label vit=vit --label trees=boosting --name all");
    assert!(compared.contains("of the user's own: dense, vit, trees. Trained by reg: tiny"), "{compared}");
    study.ok("audit all -o all.zip");
    study.ok("audit verify all.zip");
}

#[test]
fn weights_that_other_packages_make_are_imported_as_they_are() {
    let Some(python) = support::torch_with("timm, torchxrayvision, safetensors") else { return };
    let study = Study::divided();
    let make = Path::new(ROOT).join("fixtures/weights/make.py");
    fs::create_dir(study.path("w")).unwrap();
    assert!(Command::new(&python).arg(&make).arg(study.path("w")).status().unwrap().success());
    let networks = [
        ("torchvision-densenet121", "densenet121"),
        ("torchvision-resnet50", "resnet50"),
        ("timm-densenet121", "densenet121"),
        ("timm-resnet18-1channel", "resnet18-1channel"),
        ("timm-resnet50", "resnet50"),
        ("torchxrayvision-densenet121", "densenet121-1channel"),
        ("torchxrayvision-resnet50", "resnet50-1channel"),
        ("chexnet", "densenet121"),
    ];
    for (file, network) in networks {
        let import =
            format!("weights import w/{file}.safetensors --trained-on external {file} --name {file}");
        let notes = study.json(&import)["notes"].to_string();
        assert!(
            notes.contains(&format!("tensors of {network}")) && !notes.contains("unknown"),
            "{file}: {notes}"
        );
        assert_eq!(notes.contains("-1024 to 1024"), file.starts_with("torchxrayvision"), "{notes}");
        assert_eq!(notes.contains("older name"), file == "chexnet", "{notes}");
    }
    for (file, network) in
        [("torchxrayvision-densenet121", "densenet121-1channel"), ("chexnet", "densenet121")]
    {
        let tuned = study.json(&format!(
            "train --dataset tiny --split s --fold 0 --model {network} --init fine-tune --weights {file} --threads 2 \
             --set epochs=1 --set input=40 --set resize=48 --set batch=8 --name {file}-tuned"
        ));
        assert_eq!(tuned["cached"], json!(false), "{tuned}");
    }
}
