//! Deciding for another proxy: what it is told, and the published examples with the real ones.

mod decisions;
mod estate;
mod examples;
