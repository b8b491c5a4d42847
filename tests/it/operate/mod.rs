//! What an operator does: commands beside a running server.

mod commands;
