//! Reads case files: one of them, or all under cases/.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::case::Case;
use super::case_file::CaseFile;
use super::case_name::{CaseName, FOLDER, WORD};
use super::cost_bounds::check_references;
use super::diagnostic::{Diagnostic, Diagnostics, Location, Source};
use super::findings::{Findings, Underline};
use super::key_path::KeyPath;
use super::yaml_tree::{self, Node, SyntaxError};
use super::{resolver, schema, schema_check, sweep};
use crate::read_file::read_text;

/// The most bytes of a case file.
const MOST_BYTES: u64 = 1 << 20;

static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(schema::schema);

/// All cases under `root`/cases, sorted by file; or all errors in any of them.
pub(crate) fn load_all(root: &Path) -> Result<Vec<Case>, Diagnostics> {
    let cases = load_some(root, &|_| true)?;
    check_references(&cases)?;
    Ok(cases)
}

/// The cases of the files whose `group/name` is wanted. What they say about other cases is not checked.
pub fn load_some(root: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Case>, Diagnostics> {
    let folder = root.join(FOLDER);
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for path in files(&folder).map_err(|diagnostic| Diagnostics::new(vec![*diagnostic]))? {
        let shown = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        let name = name.to_string_lossy().into_owned();
        if !wanted(&name) {
            continue;
        }
        if !CaseName::is_valid(&name) {
            wrong.push(misnamed(shown));
            continue;
        }
        match read_text(&path, MOST_BYTES) {
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
    // The sort is stable, so a sweep's cases stay in the order of its values.
    cases.sort_by(|a, b| a.name.base().cmp(b.name.base()));
    Ok(cases)
}

/// The case files under a folder, sorted: `GROUP/NAME.yaml`. Follows links to groups, but none below a group, which could lead
/// back.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), true)];
    while let Some((folder, is_top)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| Box::new(unreadable(folder.clone(), &error)))?;
        for entry in entries {
            let path = entry.map_err(|error| Box::new(unreadable(folder.clone(), &error)))?.path();
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden {
                if is_top || !path.is_symlink() {
                    folders.push((path, false));
                }
            } else if path.extension().is_some_and(|extension| extension == "yaml") && !hidden {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: PathBuf, error: &io::Error) -> Diagnostic {
    of_file(path, format!("cannot be read: {error}"))
}

fn misnamed(path: PathBuf) -> Diagnostic {
    of_file(
        path,
        format!("invalid name of a case file: expected {FOLDER}/GROUP/NAME.yaml in {WORD}, such as recv/tcp-peek"),
    )
}

fn of_file(path: PathBuf, message: String) -> Diagnostic {
    let at = Location { source: Arc::new(Source { path, text: String::new() }), span: 0..0 };
    Diagnostic { at, message, label: String::new(), help: None }
}

/// The case in a file, or one case for each combination of its sweep's values; or all errors in it.
///
/// `name` is the `group/name` of the file.
pub fn parse(name: &str, source: Source) -> Result<Vec<Case>, Diagnostics> {
    let source = Arc::new(source);
    let root = match yaml_tree::parse(&source.text) {
        Ok(root) => root,
        Err(SyntaxError { span, message }) => {
            let at = Location { source, span };
            let label = "the file cannot be read beyond this".to_owned();
            return Err(Diagnostics::new(vec![Diagnostic {
                at,
                message: format!("invalid YAML: {message}"),
                label,
                help: None,
            }]));
        }
    };
    let wrong = sweep::check(&root, &source);
    if !wrong.is_empty() {
        return Err(Diagnostics::new(wrong));
    }
    let mut cases = Vec::new();
    let mut wrong = Vec::new();
    for parameters in sweep::combinations(&root) {
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
    root: &Node,
    parameters: &[(String, String)],
) -> Result<Case, Vec<Diagnostic>> {
    let mut findings = Findings::new(source.clone(), root.clone());
    let values: BTreeMap<_, _> = parameters.iter().cloned().collect();
    let value = schema_check::read(&SCHEMA, &values, &mut findings);
    match serde_yaml::from_value::<CaseFile>(value) {
        Ok(file) => {
            let case = resolver::resolve(&file, CaseName::new(name, parameters), &mut findings);
            if findings.is_empty() {
                return Ok(case);
            }
        }
        // The schema is generated from the structures, so only what it cannot express gets here.
        Err(error) if findings.is_empty() => {
            findings.add(
                &KeyPath::default(),
                Underline::Value,
                format!("cannot be read: {error}"),
                "somewhere in this file",
                None,
            );
        }
        Err(_) => {}
    }
    Err(findings.into_diagnostics())
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
    fn the_template_of_a_new_case_has_no_errors() {
        let source = Source { path: "template.yaml".into(), text: super::super::TEMPLATE.to_owned() };
        let cases = parse("group/name", source).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(cases.len(), 1);
    }
}
