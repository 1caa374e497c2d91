//! Verdicts and histories as text.
