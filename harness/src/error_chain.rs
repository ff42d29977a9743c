//! An error and its causes in one line.

use std::error::Error;

/// Joins the messages of an error and of its causes, outermost first: `outer: cause: cause`.
pub fn error_chain(error: &dyn Error) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the cache")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_has_each_message_once_outermost_first() {
        let error = Outer(std::io::Error::other("permission denied"));
        assert_eq!(error_chain(&error), "could not open the cache: permission denied");
    }
}
