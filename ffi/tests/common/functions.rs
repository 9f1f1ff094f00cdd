//! The functions of the ABI that take arrays or change a struct: each with the names of its arguments in order. A name
//! stands for the same kind of argument in every function. The fuzzer of tests/fuzz includes this file by `#[path]`.

/// Calls a macro with the list.
macro_rules! every_function {
    ($macro:ident) => {
        $macro! {
            imle_topk_find_bad_row: shape k_row theta ld_theta dz_or_null dz_row_stride dz_sample_stride row;
            imle_topk_map: shape k_row theta ld_theta z indices work work_len;
            imle_topk_sample: shape k_row options key theta ld_theta z indices marginals work work_len;
            imle_topk_gradient: shape k_row options key theta ld_theta dz dz_row_stride dz_sample_stride lists
                grad_theta ld_grad diagnostics work work_len;
            imle_topk_fenchel_young: shape k_row options key theta ld_theta y ld_y loss grad_theta ld_grad work work_len;
            imle_topk_marginals: shape k_row temperature theta ld_theta marginals log_partition entropy work work_len;
            imle_topk_marginals_vjp: shape k_row temperature theta ld_theta v ld_v out work work_len;
            imle_topk_sample_exact: shape k_row temperature key theta ld_theta z indices work work_len;
            imle_topk_log_prob: shape k_row temperature theta ld_theta lists log_prob work work_len;
            imle_topk_kl: shape k_row temperature theta ld_theta theta_other ld_other kl work work_len;
            imle_topk_log_partitions: shape temperature theta ld_theta log_partitions work work_len;
            imle_topk_log_partitions_vjp: shape temperature theta ld_theta weights ld_weights out work work_len;
            imle_topk_simple: shape k_row temperature theta ld_theta dz dz_row_stride dz_sample_stride
                grad_theta ld_grad work work_len;
            imle_topk_score_function: shape k_row temperature theta ld_theta lists losses grad_theta ld_grad;
            imle_topk_unbiased_simple: shape k_row temperature theta ld_theta lists dz dz_row_stride dz_sample_stride losses
                grad_theta ld_grad work work_len;
            imle_argmax_find_bad_row: shape theta ld_theta dz_or_null dz_row_stride dz_sample_stride row;
            imle_argmax_map: shape theta ld_theta z indices work work_len;
            imle_argmax_sample: shape options key theta ld_theta z indices marginals work work_len;
            imle_argmax_gradient: shape options key theta ld_theta dz dz_row_stride dz_sample_stride lists
                grad_theta ld_grad diagnostics work work_len;
            imle_argmax_fenchel_young: shape options key theta ld_theta y ld_y loss grad_theta ld_grad work work_len;
            imle_argmax_marginals: shape temperature theta ld_theta marginals log_partition entropy work work_len;
            imle_argmax_marginals_vjp: shape temperature theta ld_theta v ld_v out work work_len;
            imle_argmax_sample_exact: shape temperature key theta ld_theta z indices work work_len;
            imle_argmax_log_prob: shape temperature theta ld_theta lists log_prob work work_len;
            imle_argmax_kl: shape temperature theta ld_theta theta_other ld_other kl work work_len;
            imle_argmax_simple: shape temperature theta ld_theta dz dz_row_stride dz_sample_stride
                grad_theta ld_grad work work_len;
            imle_argmax_score_function: shape temperature theta ld_theta lists losses grad_theta ld_grad;
            imle_argmax_unbiased_simple: shape temperature theta ld_theta lists dz dz_row_stride dz_sample_stride losses
                grad_theta ld_grad work work_len;
            imle_tree_find_bad_row: shape n_row tree_options theta ld_theta dz_or_null dz_row_stride dz_sample_stride row
                work work_len;
            imle_tree_map: shape n_row tree_options theta ld_theta z indices work work_len;
            imle_tree_sample: shape n_row tree_options options key theta ld_theta z indices marginals work work_len;
            imle_tree_gradient: shape n_row tree_options options key theta ld_theta dz dz_row_stride dz_sample_stride lists
                grad_theta ld_grad diagnostics work work_len;
            imle_tree_fenchel_young: shape n_row tree_options options key theta ld_theta y ld_y loss grad_theta ld_grad
                work work_len;
            imle_tree_heads: shape n_row lists heads;
            imle_tree_marginals: shape n_row tree_options temperature theta ld_theta marginals log_partition entropy
                work work_len;
            imle_tree_marginals_vjp: shape n_row tree_options temperature theta ld_theta v ld_v out work work_len;
            imle_tree_sample_exact: shape n_row tree_options temperature key theta ld_theta z indices work work_len;
            imle_tree_log_prob: shape n_row tree_options temperature theta ld_theta lists log_prob work work_len;
            imle_tree_kl: shape n_row tree_options temperature theta ld_theta theta_other ld_other kl work work_len;
            imle_tree_simple: shape n_row tree_options temperature theta ld_theta dz dz_row_stride dz_sample_stride
                grad_theta ld_grad work work_len;
            imle_tree_score_function: shape n_row tree_options temperature theta ld_theta lists losses grad_theta ld_grad;
            imle_tree_unbiased_simple: shape n_row tree_options temperature theta ld_theta lists
                dz dz_row_stride dz_sample_stride losses grad_theta ld_grad work work_len;
            imle_straight_through: shape theta ld_theta dz dz_row_stride dz_sample_stride grad_theta ld_grad;
            imle_perturbed_gradient: shape options key theta ld_theta losses grad_theta ld_grad;
            imle_perturb: shape options key theta ld_theta scores;
            imle_target: shape options key side theta ld_theta dz dz_row_stride dz_sample_stride scores;
            imle_difference: shape options z_in z_target grad_theta ld_grad diagnostics;
            imle_noise: shape options key noise;
            imle_adaptive_lambda: adaptive theta theta_len dz dz_len lambda;
            imle_adaptive_update: state counts;
            imle_adaptive_add: sum theta theta_len dz dz_len;
            imle_adaptive_lambda_from: adaptive parts lambda;
        }
    };
}
pub(crate) use every_function;

/// An argument, which converts to the type that the function declares. The fuzzer hands it to C.
#[repr(C)]
pub struct Argument {
    pub pointer: *mut u8,
    pub number: usize,
    pub side: i32,
    pub temperature: f32,
}

impl<T> From<Argument> for *const T {
    fn from(argument: Argument) -> Self {
        argument.pointer.cast()
    }
}

impl<T> From<Argument> for *mut T {
    fn from(argument: Argument) -> Self {
        argument.pointer.cast()
    }
}

impl From<Argument> for usize {
    fn from(argument: Argument) -> Self {
        argument.number
    }
}

impl From<Argument> for i32 {
    fn from(argument: Argument) -> Self {
        argument.side
    }
}

impl From<Argument> for f32 {
    fn from(argument: Argument) -> Self {
        argument.temperature
    }
}
