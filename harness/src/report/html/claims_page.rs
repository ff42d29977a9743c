//! The page of common claims: each with links to the cases that show it, and each function with a link to its call.

use maud::{Markup, html};

use super::case_page::tree_of;
use super::layout::{case_file, page as whole_page, scrolled, shortened};
use super::path_tree::line_id;
use crate::report::claims::{Claim, Words, claims, introduction};
use crate::report::overview::{CaseView, Overview};

/// The file of the page.
pub(super) const CLAIMS_PAGE: &str = "claims.html";

pub(super) fn page(overview: &Overview) -> String {
    let table = html! {
        table {
            thead { tr { th scope="col" { "" } th scope="col" { "claim" } th scope="col" { "verdict" } th scope="col" { "shown by" } } }
            tbody { @for claim in claims() { (row(overview, &claim)) } }
        }
    };
    let body = html! {
        h1 { "Common claims about blocking sockets" }
        @for paragraph in introduction() { p { @for words in &paragraph { (plain(words)) } } }
        p.soft { "A linked function leads to its call in the first of these cases of this report that makes it, on the newest kernel." }
        (scrolled("claims", &table))
    };
    whole_page("claims", "search functions", &body)
}

fn row(overview: &Overview, claim: &Claim) -> Markup {
    let cases: Vec<&CaseView> =
        claim.cases.iter().flat_map(|name| overview.cases.iter().filter(|case| is_named(case.name, name))).collect();
    html! {
        tr id=(claim.id) {
            th scope="row" { (claim.id) }
            td { @for words in &claim.claim { (linked(overview, words, &cases)) } }
            td { @for words in &claim.verdict { (linked(overview, words, &cases)) } }
            td {
                @for (at, name) in claim.cases.iter().enumerate() {
                    @if at > 0 { br; }
                    @let of_name: Vec<&&CaseView> = cases.iter().filter(|case| is_named(case.name, name)).collect();
                    @match of_name[..] {
                        [] => { (name) " " span.soft { "(not in this report)" } },
                        [case] => a href=(case_file(case.name)) { (shortened(case.name)) },
                        _ => {
                            @for (at, case) in of_name.iter().enumerate() {
                                @if at > 0 { br; } a href=(case_file(case.name)) { (shortened(case.name)) }
                            }
                        },
                    }
                }
            }
        }
    }
}

/// Whether this is the case of that name, or one of those that a name with `*` at its end means.
fn is_named(case: &str, name: &str) -> bool {
    name.strip_suffix('*').map_or(case == name, |start| case.starts_with(start))
}

fn plain(words: &Words) -> Markup {
    html! {
        @match words {
            Words::Plain(text) => (text),
            Words::Strong(text) => strong { (text) },
            Words::Code(text) => code { (text) },
        }
    }
}

fn linked(overview: &Overview, words: &Words, cases: &[&CaseView]) -> Markup {
    let place = match words {
        Words::Code(function) => cases.iter().find_map(|case| place_of(overview, case, function)),
        _ => None,
    };
    html! {
        @match place {
            Some(href) => a href=(href) { (plain(words)) },
            None => (plain(words)),
        }
    }
}

/// The place of the first call of a function on the page of a case, on the newest kernel that makes it.
fn place_of(overview: &Overview, case: &CaseView, function: &str) -> Option<String> {
    (0..case.kernels.len()).rev().find_map(|column| {
        let kernel = case.kernels[column].as_ref()?;
        kernel.paths.iter().find_map(|(section, path)| {
            let line = path.nodes.iter().position(|node| node.entry.function() == Some(function))?;
            Some(format!("{}#{}", case_file(case.name), line_id(&tree_of(overview, case, section, column)?, line)))
        })
    })
}
