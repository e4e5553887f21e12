//! `reg report`: one page, opened in a real browser.

use std::fs;

use serde_json::json;

use crate::browser::Browser;
use crate::harness::Study;

const RUNS: &str = "tiny-s-f0 tiny-s-f1 mlp-s-f0 mlp-s-f1";
const ENTER: &str = "\u{e007}";

/// The values of a column of a table, from top to bottom, with every digit; null if undefined.
fn column(browser: &Browser, table: usize, column: usize) -> Vec<Option<f64>> {
    let values = browser.script(&format!(
        "return [...document.querySelectorAll('table')[{table}].tBodies[0].rows].map(row => row.cells[{column}].dataset.v ?? null)"
    ));
    values.as_array().unwrap().iter().map(|value| value.as_str().map(|text| text.parse().unwrap())).collect()
}

#[test]
fn the_same_ids_make_the_same_page_and_nothing_but_a_page() {
    let study = Study::trained();
    let answer = study.json(&format!("report {RUNS} -o a.html"));
    assert_eq!(answer["file"], json!("a.html"));
    study.ok(&format!("report {RUNS} -o b.html"));
    let page = fs::read_to_string(study.path("a.html")).unwrap();
    assert_eq!(page.len() as u64, answer["bytes"].as_u64().unwrap());
    assert!(page == fs::read_to_string(study.path("b.html")).unwrap(), "two pages of the same differ");
    let outside: Vec<&str> = ["http:", "https:", "src=\"/", "url(", "@import", "<link"]
        .into_iter()
        .filter(|outside| page.contains(outside))
        .collect();
    assert_eq!(outside, [""; 0], "it fetches nothing");
    assert!(!page.contains(" style=") && !page.contains(" onclick="), "its policy would forbid it");
    // Every id on the page has a target.
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
    study.nothing_staged();
}

#[test]
fn a_study_that_was_never_run_has_no_report_and_the_hint_runs_it() {
    let study = Study::divided();
    study.ok("study init own.toml --small --dataset tiny");
    for named in ["own.toml", "own"] {
        let words = [
            "study `small` of own.toml has no finished run",
            "hint: `reg study run own.toml` trains its runs",
        ];
        study.refused(1, &format!("report {named} -o a.html"), &words);
    }
    study.refused(1, "report other -o a.html", &["no record is named `other`"]);
}

#[test]
fn a_report_is_made_of_results_and_fair_ones() {
    let study = Study::trained();
    study.refused(1, "report s -o a.html", &["`s` is a split", "hint: `reg list`"]);
    study.refused(1, "report nothing -o a.html", &["no record is named `nothing`"]);
    study.refused(1, "report table -o there/a.html", &["cannot write there/a.html"]);
    study.refused(3, "report tiny-s-f0 mlp-s-f1 -o a.html", &["re-sampling"]);
    assert!(!study.path("a.html").exists());
    study.ok("report tiny-s-f0 mlp-s-f1 --allow-different-images -o a.html");
    let page = fs::read_to_string(study.path("a.html")).unwrap();
    let tables = page.matches("<strong class=\"warning\">NOT COMPARABLE").count();
    let figures = page.matches(">NOT COMPARABLE: ").count() - tables;
    assert!(tables >= 3 && figures >= 17, "{tables} tables, {figures} figures");
    // Tables by themselves: a comparison as it was recorded, a data set, one run's AUCs.
    study.ok("report table tiny -o c.html --title What-we-found");
    let page = fs::read_to_string(study.path("c.html")).unwrap();
    assert!(page.contains("<h1>What-we-found</h1>") && page.contains("Results: table"), "{page}");
}

#[test]
fn a_study_is_reported_section_by_section_and_says_what_is_missing() {
    let study = Study::divided();
    let file = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 2\n\
        [[split]]\nname = 'drawn'\nfolds = 2\nratios = [70, 10, 20]\n\
        [[section]]\nname = 'one'\ntitle = 'Metadata <alone>'\nsplit = 'drawn'\n\
        [[setup]]\nsection = 'one'\nname = 'meta'\nmodel = 'mlp'\n\
        [[setup]]\nsection = 'one'\nname = 'tuned'\nmodel = 'tiny'\nweights = 'imagenet'\n";
    fs::write(study.path("st.toml"), file).unwrap();
    study.reg("study run st.toml").says(0, &["imagenet"]);
    let names = study.json("list")["records"].as_array().unwrap().len();
    study.ok("report st -o a.html");
    let page = fs::read_to_string(study.path("a.html")).unwrap();
    for said in [
        "<h1>st on tiny</h1>",
        "st, 2 of 4 runs done",
        "Metadata &lt;alone&gt;",
        "tuned is not shown",
        "2 of 4 planned runs are pending",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let after = study.json("list")["records"].as_array().unwrap().clone();
    assert_eq!(after.len(), names + 1, "a comparison is recorded");
    assert_eq!(
        after.iter().filter(|record| record["name"] == json!("st-one")).count(),
        0,
        "and gets no name"
    );
}

#[test]
fn a_browser_shows_sorts_and_unfolds_it() {
    let study = Study::trained();
    let Some(browser) = Browser::start() else { return };
    // Imported scores with a name that is a script.
    let evil = "<script>window.owned=1</script><img/src=x/onerror=window.owned=1>";
    let scores = study.json("show mlp-s-f0")["record"]["spec"].as_str().unwrap().to_owned();
    let split = study.json(&format!("show {scores}"))["record"]["split"].as_str().unwrap().to_owned();
    let registry = study.registry();
    let split: reg::records::Split = registry.get(reg::hash::Id::new(split.parse().unwrap())).unwrap();
    let manifest = registry.manifest(&registry.get(split.dataset).unwrap()).unwrap();
    let assignment = registry.assignment(&split).unwrap();
    for fold in 0..2 {
        let rows = assignment.rows(fold, reg::records::Subset::Test);
        let mut csv = format!("Image Index,{}\n", reg::dataset::labels::LABELS.join(","));
        for (place, row) in rows.iter().enumerate() {
            let score = format!(",{}", (place * 7 % 11) as f64 / 11.0).repeat(15);
            csv += &format!("{}{score}\n", manifest.rows[*row as usize].name);
        }
        fs::write(study.path("evil.csv"), csv).unwrap();
        study.ok(&format!(
            "predictions import evil.csv --dataset tiny --split s --fold {fold} --name evil{fold} --model {evil}"
        ));
    }
    let image = &manifest.rows[0].name;
    study.ok(&format!("gradcam tiny-s-f0 {image} --label Mass -o heat.png"));
    study.ok(&format!("report {RUNS} evil0 evil1 -o page.html --title {evil}"));
    browser.open(&format!("file://{}", study.path("page.html").display()));
    assert_eq!(browser.console(), [""; 0], "the page has nothing to complain about");
    assert_eq!(browser.script("return document.title"), json!(evil));
    assert_eq!(
        browser.script("return [typeof window.owned, document.scripts.length]"),
        json!(["undefined", 1])
    );
    assert_eq!(browser.script("return performance.getEntriesByType('resource').length"), json!(0));

    let pictures =
        browser.script("return [...document.images].map(i => i.naturalWidth > 0 && i.alt.includes('Mass'))");
    assert_eq!(pictures, json!([true, true]), "the heat map beside its image");

    // Sorted with the mouse, first descending, and with the keyboard; the mean keeps its place.
    let table = browser.script("return [...document.querySelectorAll('table')].findIndex(t => t.caption.textContent.includes('AUC by label'))");
    let table = table.as_u64().unwrap() as usize;
    let button =
        format!("document.querySelectorAll('table')[{table}].tHead.rows[0].cells[1].firstChild.id = 'sort'");
    browser.script(&button);
    let aria =
        || browser.script("return document.getElementById('sort').parentElement.getAttribute('aria-sort')");
    browser.click("#sort");
    let falling = column(&browser, table, 1);
    // Undefined values are last in both directions: `None` is smaller than any number.
    assert!(falling.len() == 15 && falling.windows(2).all(|pair| pair[0] >= pair[1]), "{falling:?}");
    assert_eq!(aria(), json!("descending"));
    browser.keys("#sort", ENTER);
    let rising = column(&browser, table, 1);
    let defined = falling.iter().flatten().count();
    assert!((2..15).contains(&defined), "some are undefined: {falling:?}");
    assert!(rising[..defined].iter().rev().eq(&falling[..defined]), "{rising:?}");
    assert!(rising[defined..].iter().all(Option::is_none), "{rising:?}");
    assert_eq!(aria(), json!("ascending"));
    let last = browser.script(&format!(
        "const t = document.querySelectorAll('table')[{table}]; return t.tBodies[1].rows[0].cells[0].textContent"
    ));
    assert_eq!(last, json!("Mean"));
    let expected = study.json(&format!("compare {RUNS}"))["auc"]["tiny"].clone();
    let best = expected.as_object().unwrap().iter().filter(|(label, _)| *label != "mean");
    let best = best.map(|(_, spread)| spread["mean"].as_f64().unwrap_or(0.0)).fold(0.0, f64::max);
    assert_eq!(falling[0], Some(best), "every digit of what `reg compare` says");

    // The id below a number leads to its lineage, which unfolds step by step.
    let seen = |selector: &str| {
        browser.script(&format!("return document.querySelector('{selector}').checkVisibility()"))
    };
    assert_eq!(seen(".tree li li"), json!(false), "folded at first");
    browser.click(".made a.id");
    let target = browser.script(
        "const t = document.querySelector(location.hash); return [t.tagName, t.open, t.checkVisibility()]",
    );
    assert_eq!(target, json!(["DETAILS", true, true]));
    browser.script("document.querySelector(location.hash).querySelector(':scope > ul summary').id = 'step'");
    let inside = "#step ~ ul li";
    assert_eq!(seen(inside), json!(false));
    browser.click("#step");
    assert_eq!(seen(inside), json!(true));

    accessible(&browser);
    // Dark if the system is, and no wider than a phone.
    let light = browser.script("return getComputedStyle(document.documentElement).backgroundColor");
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", dark);
    let ground = browser.script("return getComputedStyle(document.documentElement).backgroundColor");
    assert_eq!([light, ground], [json!("rgb(255, 255, 255)"), json!("rgb(20, 23, 27)")]);
    let ink = browser.script("return getComputedStyle(document.querySelector('svg.chart text')).fill");
    assert_ne!(ink, json!("rgb(28, 33, 39)"), "figures are dark too");
    let page =
        "const page = document.documentElement; return [page.scrollWidth > page.clientWidth, innerWidth]";
    for width in [420, 360] {
        browser.size(width, 800);
        assert_eq!(
            browser.script(page),
            json!([false, width]),
            "tables scroll by themselves and not the page"
        );
        // Deep lineages do not make the page wider either, when unfolded completely.
        browser.script("document.querySelectorAll('details').forEach(fold => fold.open = true)");
        assert_eq!(browser.script(page), json!([false, width]), "lineages scroll by themselves");
    }
    assert!(browser.print().starts_with("JVBERi0"), "it prints");
    assert_eq!(browser.console(), [""; 0]);
}

/// Accessibility: readers without a mouse or without sight.
fn accessible(browser: &Browser) {
    let wrong = browser.script(
        "const wrong = [];
         const all = (selector) => [...document.querySelectorAll(selector)];
         for (const img of all('img')) if (!img.alt) wrong.push('an image without a text');
         for (const svg of all('svg')) {
           if (svg.getAttribute('role') !== 'img' || !svg.querySelector('title')?.textContent) wrong.push('a figure without a name');
           if (!svg.querySelector('desc')?.textContent) wrong.push('a figure without a description');
         }
         for (const table of all('table')) if (!table.caption?.textContent) wrong.push('a table without a caption');
         for (const th of all('th')) if (!th.scope) wrong.push('a heading of nothing: ' + th.textContent);
         for (const row of all('thead tr')) if (row.querySelector('td')) wrong.push('a column without a heading');
         const ids = all('[id]').map((e) => e.id);
         for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) wrong.push('twice: ' + id);
         let level = 0;
         for (const h of all('h1,h2,h3,h4')) {
           if (h.tagName[1] > level + 1) wrong.push('a level left out: ' + h.textContent);
           level = Number(h.tagName[1]);
         }
         if (document.documentElement.lang !== 'en' || all('main').length !== 1 || all('h1').length !== 1) wrong.push('landmarks');
         return wrong;",
    );
    assert_eq!(wrong, json!([]));
}
