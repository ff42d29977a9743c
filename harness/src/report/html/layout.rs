//! The parts that all pages share: head, style, keys, links, and the names of files.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::claims_page::CLAIMS_PAGE;
use crate::report::overview::class_letter;
use crate::suite::Verdict;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("keys.js");

/// Makes a whole page. `search` is the label of its search field.
pub(super) fn page(title: &str, search: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (shortened(title)) " - rxpath" }
                // Without this a browser requests an icon from the server.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "skip to the content" }
                header {
                    nav aria-label="pages" {
                        a href="index.html" { "all cases" }
                        a href="timings.html" { "timings" }
                        a href=(CLAIMS_PAGE) { "claims" }
                    }
                    // The script of the page shows the search, which does nothing without it.
                    form role="search" hidden {
                        label.unseen for="search" { (search) }
                        input id="search" type="search" placeholder=(search) autocomplete="off" aria-describedby="found";
                        output id="found" for="search" {}
                    }
                }
                main id="main" tabindex="-1" { (body) }
                footer {
                    "Keys: " kbd { "/" } " search, " kbd { "Enter" } " next hit, " kbd { "n" } " " kbd { "p" }
                    " next and previous change, " kbd { "e" } " " kbd { "c" } " expand and collapse all, "
                    kbd { "m" } " all cases, " kbd { "t" } " timings"
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// Shows a verdict as a sign and a coloured word.
pub(super) fn verdict(verdict: Verdict) -> Markup {
    html! { span class={ "verdict " (verdict.word()) } { span aria-hidden="true" { (sign(verdict)) " " } (verdict.word()) } }
}

/// Shows a verdict as a sign alone, for tables.
pub(super) fn mark(verdict: Verdict) -> Markup {
    html! { span class={ "mark " (verdict.word()) } role="img" aria-label=(verdict.word()) title=(verdict.word()) { (sign(verdict)) } }
}

fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => '✓',
        Verdict::New => '+',
        Verdict::Skipped => '–',
        Verdict::Changed => '≠',
        Verdict::Inconclusive => '?',
        Verdict::Failed => '✗',
        Verdict::Crashed | Verdict::Hung | Verdict::Broken => '!',
    }
}

/// Puts a table into a region that scrolls by itself. `label` must be unique on the page.
pub(super) fn scrolled(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// Shows a class of equal paths as a letter on a colour.
pub(super) fn band(class: Option<usize>, section: &str) -> Markup {
    match class {
        Some(class) => html! {
            span class={ "band b" (class % 8) } title={ (shortened(section)) ": path " (class_letter(class)) } {
                (class_letter(class))
            }
        },
        None => html! { span.band.none title={ (shortened(section)) ": no path" } { "-" } },
    }
}

/// The maximum length of a name that is not cut.
pub(super) const LONGEST: usize = 160;

/// Cuts a name that would fill the page.
pub(super) fn shortened(name: &str) -> String {
    cut(name, LONGEST)
}

/// Cuts a sentence that would fill the page, between two words.
pub(super) fn words_cut(sentence: &str) -> String {
    const LONGEST: usize = 200;
    let Some((end, _)) = sentence.char_indices().nth(LONGEST) else { return sentence.to_owned() };
    let words = sentence[..end].rsplit_once(char::is_whitespace).map_or(&sentence[..end], |(words, _)| words);
    format!("{words} …")
}

/// Cuts a name after `most` characters.
pub(super) fn cut(name: &str, most: usize) -> String {
    match name.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The name of the file of a case's page.
pub(super) fn case_file(case: &str) -> String {
    format!("case-{}.html", slug(case))
}

/// The name of the file of a function's page.
pub(super) fn function_file(function: &str) -> String {
    format!("function-{}.html", slug(function))
}

/// The name of the file of a page on what changed in a case.
pub(super) fn difference_file(case: &str, old: &str, new: &str) -> String {
    format!("diff-{}-{}-{}.html", slug(case), slug(old), slug(new))
}

/// Turns a name into one that is safe in file names, links and ids; different names stay different.
pub(super) fn slug(name: &str) -> String {
    const KEPT: usize = 80;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let plain: String = name.chars().take(KEPT).map(|c| if is_plain(c) { c } else { '-' }).collect();
    let is_usual =
        name.chars().count() <= KEPT && name.chars().all(|c| is_plain(c) || c == '/') && !name.starts_with('.');
    // A name with a tilde is not usual, so this stays unique.
    if is_usual {
        return name.replace('/', "~");
    }
    format!("{}-{:016x}", plain.trim_start_matches('.'), xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
}
