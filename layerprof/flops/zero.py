"""The ops that count as 0 FLOPs by convention, as data: the policy stated once.

They are bias additions, elementwise work, reductions, norms, softmax, pooling, losses, sampling, copies, views, and
bookkeeping. Some of them do arithmetic; none of it is a multiply-add of a product, convolution or attention, and
counting it would tie the number to how a model is written down rather than to what it computes. An op that is
neither here nor in a formula table is reported as uncounted.
"""

from __future__ import annotations

_VIEWS_AND_COPIES = """
_conj _neg_view _pad_circular _pad_enum _reshape_alias _reshape_copy _to_copy _unsafe_view alias alias_copy as_strided
as_strided_ as_strided_copy cat channel_shuffle chunk clone col2im constant_pad_nd contiguous copy copy_ detach
detach_ diag_embed diagonal diagonal_scatter dstack expand expand_copy flatten flip hstack im2col lift_fresh
lift_fresh_copy movedim narrow narrow_copy pad permute permute_copy pixel_shuffle pixel_unshuffle positive ravel
reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d
replication_pad3d reshape resize_ resolve_conj resolve_neg roll rot90 select select_copy select_scatter set_ slice
slice_copy slice_scatter split split_copy split_with_sizes split_with_sizes_copy squeeze squeeze_ stack swapaxes
swapdims t t_ to transpose transpose_ unbind unflatten unfold unfold_backward unsafe_split unsafe_split_with_sizes
unsqueeze unsqueeze_ view view_as view_as_complex view_as_real view_copy vstack
"""
_CREATION = """
_efficientzerotensor arange complex empty empty_like empty_permuted empty_strided eye fill fill_ full full_like
hamming_window hann_window linspace logspace new_empty new_empty_strided new_full new_ones new_zeros ones ones_like
polar rand rand_like randint randint_like randn randn_like randperm scalar_tensor tril_indices triu_indices zero_
zeros zeros_like
"""
_INDEXING = """
_embedding_bag _embedding_bag_dense_backward _embedding_bag_forward_only _index_put_impl_ _unique2 _unsafe_index
_unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate argmax argmin argsort bincount bucketize
cummax cummin embedding embedding_dense_backward embedding_renorm_ gather histc index index_add index_add_ index_copy
index_copy_ index_fill index_fill_ index_put index_put_ index_reduce index_reduce_ index_select isin kthvalue
masked_fill masked_fill_ masked_scatter masked_scatter_ masked_scatter_backward masked_select max_unpool2d
max_unpool3d median nonzero nonzero_static one_hot put put_ scatter scatter_ scatter_add scatter_add_ scatter_reduce
scatter_reduce_ searchsorted segment_reduce select_backward slice_backward sort take take_along_dim topk trace tril
tril_ triu triu_ unique_consecutive unique_dim value_selecting_reduction_backward where
"""
_ELEMENTWISE = """
__and__ __iand__ __ior__ __ixor__ __lshift__ __or__ __rshift__ __xor__ _foreach_add _foreach_add_ _foreach_addcdiv_
_foreach_addcmul_ _foreach_copy_ _foreach_div_ _foreach_lerp_ _foreach_mul_ _foreach_neg _foreach_norm _foreach_sqrt
_foreach_sub_ _foreach_zero_ _fused_adam_ _fused_adamw_ _fused_sgd_ _prelu_kernel _prelu_kernel_backward abs abs_ acos
acosh add add_ addcdiv addcdiv_ addcmul addcmul_ angle asin asinh atan atan2 atanh bitwise_and bitwise_and_
bitwise_left_shift bitwise_not bitwise_or bitwise_or_ bitwise_right_shift bitwise_xor ceil ceil_ celu celu_ clamp
clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip conj_physical copysign cos cos_ cosh deg2rad digamma div div_
elu elu_ elu_backward eq eq_ erf erf_ erfc erfinv exp exp2 exp_ expm1 expm1_ floor floor_ floor_divide floor_divide_
fmax fmin fmod fmod_ frac ge ge_ gelu gelu_ gelu_backward glu glu_backward gt gt_ hardshrink hardsigmoid hardsigmoid_
hardsigmoid_backward hardswish hardswish_ hardswish_backward hardtanh hardtanh_ hardtanh_backward heaviside hypot imag
isfinite isinf isnan isneginf isposinf le le_ leaky_relu leaky_relu_ leaky_relu_backward lerp lerp_ lgamma log log10
log1p log1p_ log2 log_ log_sigmoid log_sigmoid_backward log_sigmoid_forward logaddexp logical_and logical_and_
logical_not logical_not_ logical_or logical_or_ logical_xor logit lt lt_ maximum minimum mish mish_ mish_backward mul
mul_ nan_to_num nan_to_num_ ne ne_ neg neg_ nextafter polygamma pow pow_ prelu rad2deg real reciprocal reciprocal_
relu relu6 relu_ remainder remainder_ round round_ rrelu_with_noise rsqrt rsqrt_ rsub selu selu_ sgn sigmoid sigmoid_
sigmoid_backward sign silu silu_ silu_backward sin sin_ sinc sinh softplus softplus_backward softshrink special_erf
special_expit special_xlogy sqrt sqrt_ square square_ sub sub_ tan tanh tanh_ tanh_backward threshold threshold_
threshold_backward trunc trunc_ xlogy
"""
_REDUCTIONS = """
_cummax_helper all amax amin aminmax any count_nonzero cumprod cumprod_ cumsum cumsum_ diff dist linalg_vector_norm
logcumsumexp logsumexp max mean min mode nanmean nanmedian nansum norm prod std std_mean sum var var_mean
"""
_NORMS_AND_SOFTMAX = """
_batch_norm_impl_index _batch_norm_no_update _batch_norm_with_update _fused_rms_norm _fused_rms_norm_backward
_log_softmax _log_softmax_backward_data _masked_softmax _native_batch_norm_legit _native_batch_norm_legit_functional
_native_batch_norm_legit_no_training _safe_softmax _softmax _softmax_backward_data _weight_norm _weight_norm_interface
_weight_norm_interface_backward batch_norm batch_norm_backward cudnn_batch_norm cudnn_batch_norm_backward group_norm
instance_norm layer_norm log_softmax miopen_batch_norm native_batch_norm native_batch_norm_backward native_group_norm
native_group_norm_backward native_layer_norm native_layer_norm_backward renorm rms_norm softmax
"""
_POOLING_AND_RESAMPLING = """
_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
_upsample_nearest_exact3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
adaptive_max_pool2d adaptive_max_pool2d_backward adaptive_max_pool3d affine_grid_generator avg_pool1d avg_pool2d
avg_pool2d_backward avg_pool3d avg_pool3d_backward grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d max_pool1d
max_pool2d max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d max_pool3d_with_indices
max_pool3d_with_indices_backward mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d upsample_bicubic2d
upsample_bicubic2d_backward upsample_bilinear2d upsample_bilinear2d_backward upsample_linear1d
upsample_linear1d_backward upsample_nearest1d upsample_nearest1d_backward upsample_nearest2d
upsample_nearest2d_backward upsample_nearest3d upsample_trilinear3d
"""
_LOSSES_AND_SAMPLING = """
alpha_dropout bernoulli bernoulli_ binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits
dropout dropout_ exponential_ feature_dropout huber_loss huber_loss_backward l1_loss mse_loss mse_loss_backward
multinomial native_dropout native_dropout_backward nll_loss2d_backward nll_loss2d_forward nll_loss_backward
nll_loss_forward normal normal_ poisson random_ smooth_l1_loss smooth_l1_loss_backward uniform_
"""
_BOOKKEEPING = """
_amp_foreach_non_finite_check_and_unscale_ _amp_update_scale_ _assert_async _assert_scalar _assert_tensor_metadata
_cast_Float _functional_sym_constrain_range _fused_sdp_choice _is_all_true _is_any_true _linalg_check_errors
_local_scalar_dense _nested_get_offsets _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned
_nested_view_from_buffer _pin_memory _to_sparse _version allclose equal is_nonzero is_pinned is_same_size isclose item
numel record_stream sym_constrain_range sym_constrain_range_for_size sym_numel sym_size sym_storage_offset sym_stride
"""

ZERO_OPS: frozenset[str] = frozenset(
    f"aten.{name}"
    for group in (
        _VIEWS_AND_COPIES,
        _CREATION,
        _INDEXING,
        _ELEMENTWISE,
        _REDUCTIONS,
        _NORMS_AND_SOFTMAX,
        _POOLING_AND_RESAMPLING,
        _LOSSES_AND_SAMPLING,
        _BOOKKEEPING,
    )
    for name in group.split()
) | {
    "prim.device",
    "prim.dtype",
    "prim.layout",
    "profiler._record_function_enter_new",
    "profiler._record_function_exit",
}
