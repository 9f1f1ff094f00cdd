# imle::torch: the static library with what imle_torch.hpp needs. `torch` is the target of find_package(Torch).
# at::parallel_for is a template that uses OpenMP if its user does.
add_library(imle::torch INTERFACE IMPORTED ${imle_scope})
target_compile_features(imle::torch INTERFACE cxx_std_17)
target_link_libraries(imle::torch INTERFACE imle::imle torch)
target_compile_options(imle::torch INTERFACE $<$<CXX_COMPILER_ID:GNU,Clang>:-fopenmp>)
target_link_options(imle::torch INTERFACE $<$<CXX_COMPILER_ID:GNU,Clang>:-fopenmp>)
