//! What all pages have: head, style, keys, links, and names of files.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::suite::Verdict;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("keys.js");

/// A whole page. `search` says what its search field looks for.
pub fn page(title: &str, search: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shortened(title)) " - rxpath" }
                // Without an icon of its own a browser asks the server for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "skip to the content" }
                header {
                    nav aria-label="pages" {
                        a href="index.html" { "matrix" } " "
                        a href="timings.html" { "timings" }
                    }
                    form role="search" {
                        label for="search" { (search) }
                        input id="search" type="search" autocomplete="off" aria-describedby="found";
                        output id="found" for="search" {}
                    }
                }
                main id="main" tabindex="-1" { (body) }
                footer {
                    "Keys: " kbd { "/" } " search, " kbd { "Enter" } " next hit, " kbd { "n" } " " kbd { "p" }
                    " next and previous change, " kbd { "e" } " " kbd { "c" } " expand and collapse all, "
                    kbd { "m" } " matrix, " kbd { "t" } " timings"
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// A verdict as a coloured word.
pub fn verdict(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (verdict.word()) } { (verdict.word()) } }
}

/// A class of equal paths as a letter on its colour.
pub fn band(class: Option<usize>, section: &str) -> Markup {
    match class {
        Some(class) => html! {
            span class={ "band b" (class % 8) } title={ (shortened(section)) ": path " (super::super::markdown::letter(class)) } {
                (super::super::markdown::letter(class))
            }
        },
        None => html! { span.band.none title={ (shortened(section)) ": no path" } { "-" } },
    }
}

/// The longest name that is shown whole.
const LONGEST: usize = 160;

/// A name, cut if it would fill the page.
pub fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The file of a case's page.
pub fn case_file(case: &str) -> String {
    format!("case-{}.html", slug(case))
}

/// The file of the page on what changed of a case.
pub fn difference_file(case: &str, old: &str, new: &str) -> String {
    format!("diff-{}-{}-{}.html", slug(case), slug(old), slug(new))
}

/// A name that may stand in a file name, a link and an id, different for different names.
pub fn slug(name: &str) -> String {
    const KEPT: usize = 80;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let plain: String = name.chars().take(KEPT).map(|c| if is_plain(c) { c } else { '-' }).collect();
    let is_usual =
        name.chars().count() <= KEPT && name.chars().all(|c| is_plain(c) || c == '/') && !name.starts_with('.');
    // No name that is left as it is has a tilde in it.
    if is_usual {
        return name.replace('/', "~");
    }
    format!("{}-{:016x}", plain.trim_start_matches('.'), xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
}
