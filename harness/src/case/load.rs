//! Reading case files: one, or all under cases/.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::case::Case;
use super::case_name::{CaseName, FOLDER};
use super::diagnostic::{Diagnostic, Diagnostics, Location, Source};
use super::model::CaseFile;
use super::place::{Findings, Place, Underline};
use super::{resolve, schema, schema_check, yaml};

static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(schema::schema);

/// All cases under `root`/cases, by name; or everything that is wrong in any of them.
pub fn load_all(root: &Path) -> Result<Vec<Case>, Diagnostics> {
    let cases = load_some(root, &|_| true)?;
    super::expect::check_references(&cases)?;
    Ok(cases)
}

/// The cases of the files whose `group/name` is wanted; what they say of other cases is not checked.
pub fn load_some(root: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Case>, Diagnostics> {
    let folder = root.join(FOLDER);
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for path in files(&folder).map_err(|diagnostic| Diagnostics::new(vec![*diagnostic]))? {
        let shown = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        if !wanted(&name) {
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => match parse(&name, Source { path: shown, text }) {
                Ok(found) => cases.extend(found),
                Err(diagnostics) => wrong.extend(diagnostics.all),
            },
            Err(error) => wrong.push(unreadable(shown, &error)),
        }
    }
    if !wrong.is_empty() {
        return Err(Diagnostics::new(wrong));
    }
    // Stable: a sweep's cases stay in the order of its values.
    cases.sort_by(|a, b| a.name.base().cmp(b.name.base()));
    Ok(cases)
}

/// The case files under a folder, sorted: `GROUP/NAME.yaml`.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| Box::new(unreadable(folder.clone(), &error)))?;
        for entry in entries {
            let path = entry.map_err(|error| Box::new(unreadable(folder.clone(), &error)))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") && !hidden {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: PathBuf, error: &std::io::Error) -> Diagnostic {
    let at = Location { source: Arc::new(Source { path, text: String::new() }), span: 0..0 };
    Diagnostic { at, message: format!("cannot be read: {error}"), label: String::new(), help: None }
}

/// The case that a file holds, or one for each combination of its sweep; or everything that is wrong with it.
pub fn parse(name: &str, source: Source) -> Result<Vec<Case>, Diagnostics> {
    let source = Arc::new(source);
    let root = match yaml::parse(&source.text) {
        Ok(root) => root,
        Err(yaml::SyntaxError { span, message }) => {
            let at = Location { source, span };
            let label = "the file cannot be read beyond this".to_owned();
            return Err(Diagnostics::new(vec![Diagnostic {
                at,
                message: format!("not YAML: {message}"),
                label,
                help: None,
            }]));
        }
    };
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for parameters in combinations(&root) {
        match parse_one(name, &source, &root, &parameters) {
            Ok(case) => cases.push(case),
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(Diagnostics::new(wrong)) }
}

fn parse_one(
    name: &str,
    source: &Arc<Source>,
    root: &yaml::Node,
    parameters: &[(String, String)],
) -> Result<Case, Vec<Diagnostic>> {
    let mut findings = Findings::new(source.clone(), root.clone());
    let values: BTreeMap<_, _> = parameters.iter().cloned().collect();
    let value = schema_check::read(&SCHEMA, &values, &mut findings);
    match serde_yaml::from_value::<CaseFile>(value) {
        Ok(file) => {
            let case = resolve::resolve(&file, CaseName::new(name, parameters), &mut findings);
            if findings.is_empty() {
                return Ok(case);
            }
        }
        // The schema and the structures come from one source, so only what the schema cannot say gets here.
        Err(error) if findings.is_empty() => {
            findings.add(
                &Place::default(),
                Underline::Value,
                format!("cannot be read: {error}"),
                "somewhere in here",
                None,
            );
        }
        Err(_) => {}
    }
    Err(findings.into_diagnostics())
}

/// The combinations of a sweep's values, the last parameter varying fastest; a single empty one without a sweep.
fn combinations(root: &yaml::Node) -> Vec<Vec<(String, String)>> {
    let sweep = root.pairs().iter().find(|(key, _)| key.text() == Some("sweep"));
    let mut out = vec![Vec::new()];
    for (key, values) in sweep.map_or(&[][..], |(_, sweep)| sweep.pairs()) {
        let values: Vec<&str> = values.items().iter().filter_map(yaml::Node::text).collect();
        let (Some(name), false) = (key.text(), values.is_empty()) else { continue };
        out = out
            .into_iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut combination = combination.clone();
                    combination.push((name.to_owned(), (*value).to_owned()));
                    combination
                })
            })
            .collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_repository_can_be_read() {
        let cases = load_all(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(cases.iter().any(|case| case.name == "recv/tcp-blocking"));
    }

    #[test]
    fn a_new_case_is_right_from_the_start() {
        let source = Source { path: "template.yaml".into(), text: super::super::TEMPLATE.to_owned() };
        let cases = parse("group/name", source).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(cases.len(), 1);
    }
}
