//! Golden requests and answers.
