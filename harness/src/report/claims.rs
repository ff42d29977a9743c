//! docs/claims.md as values: common claims about blocking sockets, each with the cases that show what is true of it.

/// The document.
const DOCUMENT: &str = include_str!("../../../docs/claims.md");

/// A claim: a row of the document's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// `C1`.
    pub(crate) id: String,
    pub(crate) claim: Vec<Words>,
    pub(crate) verdict: Vec<Words>,
    /// The names of cases; one may end in `*`.
    pub(crate) cases: Vec<String>,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Plain(String),
    Strong(String),
    Code(String),
}

/// The claims of the document.
pub(crate) fn claims() -> Vec<Claim> {
    DOCUMENT.lines().filter_map(claim).collect()
}

/// The paragraphs before the table.
pub(crate) fn introduction() -> Vec<Vec<Words>> {
    let text = DOCUMENT.split("\n|").next().unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|part| part.replace('\n', " "));
    paragraphs.filter(|part| !part.starts_with('#') && !part.trim().is_empty()).map(|part| words(&part)).collect()
}

fn claim(line: &str) -> Option<Claim> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [id, claim, verdict, cases] = cells[..] else { return None };
    let number = id.strip_prefix('C')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let code = |words: Words| match words {
        Words::Code(case) => Some(case),
        _ => None,
    };
    let cases = words(cases).into_iter().filter_map(code).collect();
    Some(Claim { id: id.to_owned(), claim: words(claim), verdict: words(verdict), cases })
}

/// Splits text at its marks for code and strong words.
fn words(text: &str) -> Vec<Words> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let next = ["`", "**"].iter().filter_map(|mark| Some((rest.find(mark)?, *mark))).min();
        let marked = next.and_then(|(start, mark)| {
            let inside = start + mark.len();
            let length = rest[inside..].find(mark)?;
            Some((start, mark, &rest[inside..inside + length], &rest[inside + length + mark.len()..]))
        });
        let Some((start, mark, marked, after)) = marked else {
            out.push(Words::Plain(rest.to_owned()));
            break;
        };
        if start > 0 {
            out.push(Words::Plain(rest[..start].to_owned()));
        }
        out.push(if mark == "`" { Words::Code(marked.to_owned()) } else { Words::Strong(marked.to_owned()) });
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_twelve_claims_each_with_cases() {
        let claims = claims();
        let ids: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
        assert_eq!(ids, (1..=12).map(|number| format!("C{number}")).collect::<Vec<_>>());
        assert!(claims.iter().all(|claim| !claim.cases.is_empty()), "{claims:?}");
        assert_eq!(introduction().len(), 1);
    }

    #[test]
    fn marks_without_an_end_are_plain_text() {
        let plain = |text: &str| Words::Plain(text.to_owned());
        assert_eq!(
            words("a `b` **c** d"),
            [plain("a "), Words::Code("b".to_owned()), plain(" "), Words::Strong("c".to_owned()), plain(" d")]
        );
        assert_eq!(words("a `b"), [plain("a `b")]);
        assert_eq!(words("**"), [plain("**")]);
    }
}
