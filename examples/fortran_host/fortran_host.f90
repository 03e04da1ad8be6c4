! SPDX-License-Identifier: Apache-2.0
!> Particles spread in a closed pipe: a program on MPI, as there are many, whose time steps know nothing of C4Py. Every so
!> many of them a histogram in chares says how mixed they are, and the program ends when that is enough. Usage:
!> fortran_host [particles] [steps] [every]
program fortran_host
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use mpi_f08
    use histogram
    implicit none

    real(c_double), parameter :: enough = 4.15_c_double ! of log(64) = 4.159
    type(histogram_t), target :: mixing
    type(MPI_Comm) :: comm
    real(c_double), allocatable :: x(:)
    integer(c_int64_t), allocatable :: seed(:)
    integer :: particles, steps, every, rank, ranks, step, wrong

    call MPI_Init()
    call MPI_Comm_split(MPI_COMM_WORLD, 0, 0, comm)
    call MPI_Comm_rank(comm, rank)
    call MPI_Comm_size(comm, ranks)
    particles = argument(1, 20000, "particles")
    steps = argument(2, 2000, "steps")
    every = argument(3, 100, "every")

    call scatter(x, seed)
    call histogram_open(mixing, comm)
    wrong = 0
    do step = 1, steps
        call walk(x, seed)
        if (mod(step, every) == 0) then
            if (is_mixed(step)) exit
        end if
    end do
    call histogram_close(mixing)
    if (rank == 0) write (*, "(i0, a, i0, a)") particles, " particles on ", ranks, " ranks: done"
    call MPI_Comm_free(comm)
    call MPI_Finalize()
    if (wrong > 0) error stop 1

contains

    !> The n-th word of the command line: a whole number above 0.
    integer function argument(n, default, name)
        integer, intent(in) :: n, default
        character(*), intent(in) :: name
        character(20) :: word
        integer :: status
        argument = default
        if (command_argument_count() < n) return
        call get_command_argument(n, word)
        read (word, *, iostat=status) argument
        if (status == 0 .and. verify(trim(word), "0123456789") == 0 .and. argument > 0) return
        if (rank == 0) write (error_unit, "(5a)") "fortran_host: ", name, ": '", trim(word), &
            "' is not a whole number above 0; usage: fortran_host [particles] [steps] [every]"
        call MPI_Finalize()
        stop 2
    end function

    !> This rank's particles, in the middle of the pipe; their walks depend on their numbers only, not on the rank.
    subroutine scatter(x, seed)
        real(c_double), allocatable, intent(out) :: x(:)
        integer(c_int64_t), allocatable, intent(out) :: seed(:)
        integer(c_int64_t) :: first, next, i
        first = int(particles, c_int64_t) * rank / ranks
        next = int(particles, c_int64_t) * (rank + 1) / ranks
        allocate (x(next - first), seed(next - first))
        x = 0.5_c_double
        do i = 1, next - first
            seed(i) = 1 + modulo((first + i) * 48271_c_int64_t * 48271_c_int64_t, 2147483646_c_int64_t)
        end do
    end subroutine

    !> A random number from 0 to 1 (Park and Miller, 1988).
    real(c_double) function random(seed)
        integer(c_int64_t), intent(inout) :: seed
        seed = modulo(16807 * seed, 2147483647_c_int64_t)
        random = real(seed, c_double) / 2147483647
    end function

    !> One step of each, reflected at the ends.
    subroutine walk(x, seed)
        real(c_double), intent(inout) :: x(:)
        integer(c_int64_t), intent(inout) :: seed(:)
        integer :: i
        do i = 1, size(x)
            x(i) = abs(x(i) + 0.04_c_double * (random(seed(i)) - 0.5_c_double))
            if (x(i) > 1) x(i) = 2 - x(i)
        end do
    end subroutine

    !> Ask the chares, and compare.
    logical function is_mixed(step)
        integer, intent(in) :: step
        real(c_double) :: entropy, by_mpi
        call histogram_add(mixing, x)
        entropy = histogram_entropy(mixing, int(particles, c_int64_t))
        by_mpi = entropy_by_mpi(x, int(particles, c_int64_t), comm)
        if (abs(entropy - by_mpi) > 1e-12_c_double) wrong = wrong + 1
        is_mixed = entropy > enough
        if (rank == 0) write (*, "(a, i0, a, f17.15, a, es8.1, a)") "step ", step, ": entropy ", entropy, ", by MPI ", &
            entropy - by_mpi, merge(" apart: mixed     ", " apart: go on     ", is_mixed)
    end function

end program
