//! The pages of `reg serve` and `reg report` in a real browser: with the mouse, with the keyboard alone, on a phone, in the
//! dark, enlarged and on paper.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reg::records::Subset;
use serde_json::json;

use crate::browser::Browser;
use crate::comparability::theirs;
use crate::harness::Study;
use crate::serve::{Server, links};
use crate::support;

const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";
const SPACE: &str = " ";

/// Waits for what a page does by itself.
fn wait(browser: &Browser, what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        let text = browser.script("return document.body.innerText");
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The first image with a box, as its place in the manifest.
fn boxed(study: &Study) -> u32 {
    let registry = study.registry();
    let dataset = registry.find_record::<reg::records::Dataset>("tiny").unwrap().record;
    registry.boxes(&dataset).unwrap().unwrap().rows[0].image
}

/// Presses Tab until an element of a selector has the focus.
fn tab_to(browser: &Browser, selector: &str) {
    let has = format!("return document.activeElement?.matches({})", json!(selector));
    for _ in 0..200 {
        if browser.script(&has) == json!(true) {
            return;
        }
        browser.press(TAB);
    }
    panic!("the keyboard does not reach {selector}");
}

#[test]
fn runs_are_sorted_filtered_searched_selected_and_compared_without_a_mouse() {
    let study = Study::trained();
    let Some(browser) = Browser::start() else { return };
    let server = Server::start(&study);
    browser.open(&server.url("/runs"));
    let names = || {
        browser.script("return [...document.querySelectorAll('#shown tbody th')].map(th => th.textContent)")
    };
    let at = || browser.script("return location.search").as_str().unwrap().to_owned();
    assert_eq!(names().as_array().unwrap().len(), 4);
    // A mark that a reload would remove.
    browser.script("window.same = true");
    let expected = |arguments: &str| {
        let runs = study.json(&format!("list run {arguments}"))["runs"].as_array().unwrap().clone();
        json!(runs.iter().map(|run| run["name"].clone()).collect::<Vec<_>>())
    };
    tab_to(&browser, "#sort-test_auc");
    browser.press(ENTER);
    let best = expected("--sort test_auc");
    wait(&browser, "sorted", || names() == best);
    assert!(at().contains("sort=test_auc"), "{}", at());
    let focus = browser.script("return document.activeElement.id");
    assert_eq!(focus, json!("sort-test_auc"), "the keyboard stays where it was");
    browser.press(ENTER);
    wait(&browser, "the other way round", || names() == expected("--sort test_auc:asc"));
    assert_eq!(
        browser.script("return document.querySelector('[aria-sort]').getAttribute('aria-sort')"),
        json!("ascending")
    );
    // Filtered by the grammar of the command line, as it is typed.
    browser.keys("[name=where]", "model=mlp");
    wait(&browser, "filtered", || names() == expected("--sort test_auc:asc --where model=mlp"));
    assert!(at().contains("where=model%3Dmlp") && at().contains("sort=test_auc%3Aasc"), "{}", at());
    browser.keys("[name=where]", " and");
    wait(&browser, "what is wrong is said", || {
        browser
            .script("return document.querySelector('#problems').textContent")
            .as_str()
            .unwrap()
            .contains('^')
    });
    for _ in 0.." and".len() {
        browser.keys("[name=where]", "\u{e003}");
    }
    browser.keys("[name=q]", "s-f1");
    wait(&browser, "searched", || names() == json!(["mlp-s-f1"]));
    assert_eq!(browser.script("return window.same"), json!(true), "nothing was reloaded");
    // The address says all of it.
    let address = browser.script("return location.href").as_str().unwrap().to_owned();
    browser.open(&address);
    assert_eq!(names(), json!(["mlp-s-f1"]));
    assert_eq!(browser.script("return document.querySelector('[name=q]').value"), json!("s-f1"));

    // Two are selected, and stay so when the list is sorted.
    browser.open(&server.url("/runs?where=fold%3D0"));
    for _ in 0..2 {
        tab_to(&browser, "input[name=run]:not(:checked)");
        browser.press(SPACE);
    }
    assert_eq!(at().matches("run=").count(), 2, "{}", at());
    tab_to(&browser, "#sort-name, #sort-model");
    browser.press(ENTER);
    wait(&browser, "sorted", || at().contains("sort="));
    let checked = browser.script("return document.querySelectorAll('input[name=run]:checked').length");
    assert_eq!(checked, json!(2));
    browser.script("document.querySelector('[name=q]').focus()");
    tab_to(&browser, "[formaction='/compare']");
    browser.press(ENTER);
    wait(&browser, "compared", || browser.script("return location.pathname") == json!("/compare"));
    let text = browser.script("return document.body.innerText").as_str().unwrap().to_owned();
    for said in ["Settings that differ", "Learning rate", "AUC by label", "different", "reg compare --by run"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    let curves = browser.script("return document.querySelectorAll('#curves ~ figure .many svg').length");
    assert_eq!(curves, json!(3));
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn no_page_has_a_problem_on_a_phone_in_the_dark_enlarged_or_for_axe() {
    let study = Study::trained();
    let Some(browser) = Browser::start() else { return };
    let registry = study.registry();
    let dataset = registry.find_record::<reg::records::Dataset>("tiny").unwrap().record;
    let image = registry.manifest(&dataset).unwrap().rows[boxed(&study) as usize].name.clone();
    let heat = study.json(&format!("gradcam tiny-s-f0 {image} --label Mass -o heat.png"));
    let heat = heat["id"].as_str().unwrap();
    study.ok("eval tiny-s-f0 --subset val --threads 1");
    study.ok("report table -o page.html");
    let server = Server::start(&study);
    let at = boxed(&study);
    let [split, auc] = ["s", "mlp-s-f0"].map(|name| study.id(name));
    let mut paths: Vec<String> = [
        "/",
        "/?q=nothing",
        "/runs",
        "/runs?where=nonsense",
        "/record/tiny-s-f0",
        "/record/mlp-s-f1",
        "/record/table",
        "/record/tiny",
        "/images/tiny",
        "/images/tiny?label=Mass&view=PA&split=s&subset=test",
        "/lineage/table",
        "/lineage/up/table",
        "/lineage/down/tiny",
        "/report/table",
        "/document/table",
        "/compare?run=tiny-s-f0&run=mlp-s-f0",
        "/nowhere",
    ]
    .map(str::to_owned)
    .into();
    paths.push(format!("/record/{split}"));
    paths.push(format!("/record/{heat}"));
    paths.push(format!("/image/tiny/{at}"));
    paths.push(format!("/image/tiny/{at}?heat={}", &heat[..12]));
    paths.push(format!("/lineage/{}?open=u{},d{}", &auc[..12], &split[..12], &split[..12]));
    let mut pages: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
    pages.push(format!("file://{}", study.path("page.html").display()));
    let wide = "const page = document.documentElement; return page.scrollWidth > page.clientWidth";
    let mut problems = Vec::new();
    for url in &pages {
        let path = url.split("token=").next().unwrap();
        for (width, scheme) in [(1100, "light"), (420, "dark")] {
            let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", features);
            browser.size(width, 900);
            browser.open(url);
            let found = browser.axe().unwrap_or_default();
            problems.extend(found.iter().map(|one| format!("{path} at {width}: {one}")));
            // 1,100 pixels enlarged to 200 % are 550, and no page is wider than its window.
            for width in [width, 550] {
                browser.size(width, 900);
                if browser.script(wide) == json!(true) {
                    problems.push(format!("{path} is wider than {width} pixels"));
                }
            }
        }
        let expected = if path.contains("nowhere") { 2 } else { 0 };
        let console = browser.console();
        if console.len() != expected {
            problems.push(format!("{path}: {console:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    // On paper, no heading and no caption stands at the foot of a page, and the rows of its table on the next.
    if !support::programs(&["pdftotext"]) {
        return;
    }
    let heads = "h2, h3, caption, main > p:has(+ .scroll), main > p:has(+ figure)";
    let heads = format!("return [...document.querySelectorAll('{heads}')].map(e => e.textContent)");
    for path in ["/record/tiny-s-f0", "/report/table"] {
        browser.open(&server.url(path));
        let heads = browser.script(&heads);
        let heads: Vec<&str> =
            heads.as_array().unwrap().iter().map(|head| head.as_str().unwrap().trim()).collect();
        fs::write(study.path("page.pdf"), BASE64.decode(browser.print()).unwrap()).unwrap();
        let told =
            Command::new("pdftotext").arg("-layout").arg(study.path("page.pdf")).arg("-").output().unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        assert!(text.matches('\u{c}').count() > 2, "{path}: {text}");
        for page in text.split('\u{c}') {
            let last = page.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            let alone = heads.iter().any(|head| !last.is_empty() && last.len() > 3 && head.ends_with(last));
            assert!(!alone, "{path}: `{last}` is the last line of a page");
        }
    }
}

#[test]
fn pages_show_results_by_name_and_images_with_what_each_run_did_with_them() {
    let study = Study::trained();
    study.ok("eval tiny-s-f0 --subset val --threads 1");
    let server = Server::start(&study);
    // A run: its result with counts, its thresholds, its errors.
    let page = server.get("/record/tiny-s-f0").body;
    for said in [
        "Settings (* is not the default",
        "Confusion table of each label at its threshold",
        "Largest errors",
        "probability 0.",
        "train --dataset tiny",
        "Dependent results",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(links(&page).filter(|link| link.starts_with("/thumb/")).count() >= 4);
    let page = server.get("/record/mlp-s-f0").body;
    assert!(page.contains("Thresholds"), "{page}");
    // A table stands as the report shows it; its record is one click away.
    let table = server.get("/record/table").body;
    let id = study.id("table");
    assert!(table.contains("Paired tests on the same test images") && !table.contains("&quot;rules&quot;"));
    assert!(table.contains(&format!("/document/{}", &id[..12])));
    assert!(server.get("/document/table").body.contains("&quot;rules&quot;"));

    // Images by label, subset, patient; what is chosen is what the split says.
    let registry = study.registry();
    let dataset = registry.find_record::<reg::records::Dataset>("tiny").unwrap();
    let manifest = registry.manifest(&dataset.record).unwrap();
    let split = registry.find_record::<reg::records::Split>("s").unwrap().record;
    let assignment = registry.assignment(&split).unwrap();
    let shown = |query: &str| -> BTreeSet<u32> {
        let page = server.get(&format!("/images/tiny?{query}")).body;
        let images = links(&page).filter(|link| link.starts_with("/image/"));
        images.map(|link| link.rsplit('/').next().unwrap().parse().unwrap()).collect()
    };
    let tested = assignment.rows(1, Subset::Test);
    assert_eq!(shown("split=s&fold=1&subset=test"), tested.iter().copied().collect());
    let mass = dataset.record.labels.iter().position(|label| label == "Mass").unwrap();
    let of_label = |has: bool| -> BTreeSet<u32> {
        let rows = tested.iter().copied();
        rows.filter(|row| manifest.rows[*row as usize].label(mass) == Some(has)).collect()
    };
    assert_eq!(shown("split=s&fold=1&subset=test&label=Mass"), of_label(true));
    assert_eq!(shown("split=s&fold=1&subset=test&label=Mass&has=no"), of_label(false));
    let patient = &manifest.rows[0].patient;
    assert!(shown(&format!("q=patient:{patient}")).contains(&0));
    let aged = shown("from=40&to=60&view=PA&gender=F");
    let fits = |row: &reg::records::ImageRow| {
        row.age.is_some_and(|age| (40..=60).contains(&age))
            && row.view.letters() == "PA"
            && row.gender.letter() == "F"
    };
    let expected: BTreeSet<u32> =
        (0..).zip(&manifest.rows).filter(|(_, row)| fits(row)).map(|(at, _)| at).collect();
    assert_eq!(aged, expected.into_iter().take(60).collect());

    // Thumbnails come from the cache of pixels, where the first request has put them.
    let first = server.get("/thumb/tiny/0");
    assert_eq!((first.status, &*first.heads["content-type"]), (200, "image/png"));
    let cached = fs::read_dir(study.path(".reg/cache/pixels")).unwrap();
    let cached =
        cached.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains("-160-")).count();
    assert_eq!(cached, 1);
    assert_eq!(server.get("/thumb/tiny/0").body, first.body);

    // Of an image, what each run used it for.
    for (row, role) in [(0, "trained on it"), (2, "tested on it")] {
        let subset = if row == 0 { Subset::Train } else { Subset::Test };
        let place = assignment.rows(0, subset)[0];
        let page = server.get(&format!("/image/tiny/{place}")).body;
        let own = page.split("<tr>").find(|row| row.contains(">tiny-s-f0<")).unwrap();
        assert!(own.contains(role), "{role}: {own}");
    }
    // Scores that belong to no run stand there, too, whether they have a name or not.
    fs::write(study.path("theirs.csv"), theirs(&study, &["Mass"], Subset::Test)).unwrap();
    let import = "predictions import theirs.csv --dataset tiny --split s --fold 0 --name theirs";
    let nameless = study.json(import)["id"].as_str().unwrap()[..12].to_owned();
    study.ok("tag theirs --delete");
    study.ok("ensemble tiny-s-f0 mlp-s-f0 --name both");
    let page = server.get(&format!("/image/tiny/{}", assignment.rows(0, Subset::Test)[0])).body;
    for (name, role) in [(&*nameless, "imported scores"), ("both", "a mean of 2 predictions")] {
        let own = page.split("<tr>").find(|row| row.contains(&format!(">{name}<")));
        let own = own.unwrap_or_else(|| panic!("{name}: {page}"));
        assert!(own.contains(role) && own.contains("0."), "{name}: {own}");
    }
    assert_eq!(page.matches("imported scores").count(), 1, "those of runs stand beside the run");
    // The lineage opens in both directions.
    let graph = server.get("/lineage/table").body;
    assert!(graph.contains(">tiny</text>") || graph.contains("predictions"), "{graph}");
    let open =
        links(&graph.replace("href=\"?", "href=\"/?")).find(|link| link.starts_with("/?open=u")).unwrap();
    let wider = server.get(&format!("/lineage/table{}", &open[1..])).body;
    assert!(wider.matches("<rect").count() > graph.matches("<rect").count());
    // What is asked wrongly is said.
    let wrong = server.get("/runs?where=lr%3C%3C1&sort=nothing&columns=name,lrr").body;
    for said in ["runs have no value named `nothing`", "runs have no value named `lrr`", "^"] {
        assert!(wrong.contains(said), "{said}: {wrong}");
    }
    // Results stand at the left, where a narrow window shows them; a column is added to what is shown.
    let heads = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/runs{query}")).body;
        page.split("id=\"sort-").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let usual = heads("");
    let first: Vec<&str> =
        usual.iter().map(String::as_str).filter(|name| !name.ends_with("_labels")).collect();
    assert_eq!(first[..5], ["name", "test_auc", "val_auc", "model", "state"], "{first:?}");
    assert_eq!(heads("?columns=&add=spec"), [usual, vec!["spec".to_owned()]].concat());
    assert_eq!(heads("?columns=name,lr&add=spec&add=lr"), ["name", "lr", "spec"]);
    // A run that is selected twice is no comparison, and is not passed over.
    let twice = server.get("/compare?run=tiny-s-f0&run=tiny-s-f0").body;
    assert!(
        twice.contains("tiny-s-f0 was selected more than once and is compared once. Select another run"),
        "{twice}"
    );
    let three = server.get("/compare?run=tiny-s-f0&run=mlp-s-f0&run=tiny-s-f0").body;
    assert!(three.contains("tiny-s-f0 was selected more than once and is compared once.</p>"), "{three}");
    assert_eq!(server.get("/compare?run=nobody&run=tiny-s-f0").status, 404);
    let both = "/compare?run=tiny-s-f0&run=tiny-s-f1&run=mlp-s-f0&run=mlp-s-f1";
    assert!(
        server.get(both).body.contains(&format!("/record/{}\">table</a>", &id[..12])),
        "the recorded comparison"
    );
}

#[test]
fn a_study_is_seen_to_move_and_then_reported() {
    let study = Study::divided();
    let file = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 2\n\
        [[split]]\nname = 'drawn'\nfolds = 1\nratios = [70, 10, 20]\n\
        [[section]]\nname = 'one'\ntitle = 'Metadata <alone>'\nsplit = 'drawn'\n\
        [[setup]]\nsection = 'one'\nname = 'meta'\nmodel = 'mlp'\n";
    fs::write(study.path("st.toml"), file).unwrap();
    study.ok("study run st.toml");
    let server = Server::start(&study);
    let page = server.get("/record/st").body;
    assert!(page.contains("1 done of 1 planned run.") && page.contains("reg study compare st"), "{page}");
    study.ok("study compare st.toml");
    let page = server.get("/record/st").body;
    assert!(page.contains("Results: Metadata &lt;alone&gt;") && page.contains("/report/"), "{page}");
    let report = links(&page).find(|link| link.starts_with("/report/")).unwrap();
    assert!(server.get(&report).body.contains("st, 1 of 1 run done"));
}
