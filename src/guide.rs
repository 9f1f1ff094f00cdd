//! The guide: which estimator to take, common mistakes, and what each symbol means. It is for C and C++, too.

#[doc = include_str!("guide/which_estimator.md")]
pub mod which_estimator {}

#[doc = include_str!("guide/common_mistakes.md")]
pub mod common_mistakes {}

#[doc = include_str!("guide/glossary.md")]
pub mod glossary {}
