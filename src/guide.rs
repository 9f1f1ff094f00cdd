//! The guide: which estimator to take, common mistakes, what each symbol means, and a dictionary for users of torch-imle and
//! AIMLE. It is for C and C++, too.

#[doc = include_str!("guide/which_estimator.md")]
pub mod which_estimator {}

#[doc = include_str!("guide/common_mistakes.md")]
pub mod common_mistakes {}

#[doc = include_str!("guide/glossary.md")]
pub mod glossary {}

#[doc = include_str!("guide/from_torch_imle.md")]
pub mod from_torch_imle {}
