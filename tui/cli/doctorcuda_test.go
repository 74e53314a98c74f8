package cli

import (
	"strings"
	"testing"

	"pare/core/device/cuda"
)

func TestDoctorTellsOfTheGPU(t *testing.T) {
	rows := func(list []cuda.Found) string {
		var b strings.Builder
		cudaRows(&b, list)
		return b.String()
	}
	none := cuda.Found{Name: "cuda", Error: "no libcuda.so.1", Costs: "no GPU: everything runs on the CPU"}
	nvrtc := cuda.Found{Name: "nvrtc", OK: true, Path: "/lib/libnvrtc.so.13", Version: "13.2"}
	lack := cuda.Found{Name: "cusparseLt", Error: "no libcusparseLt.so.0", Costs: "no gain from 2:4"}
	if got, want := rows([]cuda.Found{none, nvrtc, lack}), "cuda\tno GPU: everything runs on the CPU\n  cuda\t–\tno libcuda.so.1\n  nvrtc\tok\t13.2  /lib/libnvrtc.so.13\n"; got != want {
		t.Errorf("without a driver\n%s\nwant\n%s", got, want)
	}
	card := cuda.Found{Name: "cuda", OK: true, Path: "/lib/libcuda.so.1", Version: "13.0"}
	card.Cards = append(card.Cards, cuda.Card{Name: "NVIDIA H100", UUID: "GPU-1", Memory: 80 << 30, Major: 9, SMs: 132})
	want := "cuda\tCUDA 13.0 by the driver\n  card 0\tNVIDIA H100, 80 GiB, compute capability 9.0, 132 multiprocessors, GPU-1\n" +
		"  cuda\tok\t13.0  /lib/libcuda.so.1\n  nvrtc\tok\t13.2  /lib/libnvrtc.so.13\n  cusparseLt\t–\tno libcusparseLt.so.0; no gain from 2:4\n"
	if got := rows([]cuda.Found{card, nvrtc, lack}); got != want {
		t.Errorf("with a card\n%s\nwant\n%s", got, want)
	}
	if list := cuda.Report(); len(list) != 4 {
		t.Errorf("%d libraries", len(list))
	}
}
