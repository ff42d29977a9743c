//! How anything looks. Only this folder knows.
