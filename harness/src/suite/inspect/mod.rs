//! One traced pass in detail, for `rxpath show` and `rxpath export`.

pub(crate) mod record;
pub(crate) mod timeline;
