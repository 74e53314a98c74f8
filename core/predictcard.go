package core

import (
	"fmt"

	"pare/core/event"
	"pare/hwprofiles"
)

// cardBand is the ± % of a training step that is predicted from a card's baseline: steps of
// BERT, Llama and GPT-2 shapes with adapters, cuts and both took up to 14 % less than the
// share that the roofline gives (core/device/cuda/PERFORMANCE.md).
const cardBand = 25

// onCard reports whether the baseline ran on that very card, in the recipe's precision.
func (m measured) onCard(hw hwprofiles.Profile, device string) bool {
	return m.StepTimes != nil && m.StepCPUUS > 0 && hw.Kind == "gpu" && m.Machine == hw.Name && m.Device == device
}

// fromCard predicts from what the dense model took on the card: the share that the roofline
// of its profile gives, of the measured time and joules. What a card draws for one sample is
// not what it draws in a step, so the joules of an inference stay unknown.
func (p *prediction) fromCard() (*event.Ledger, error) {
	l, err := p.fromProfile()
	if err != nil {
		return nil, err
	}
	if l.Dense.StepCPUUS <= 0 || l.Now.StepCPUUS <= 0 { // the profile lacks a rate, if there is one
		l.Note = once([]string{l.Note, fmt.Sprintf("`pare hw calibrate --device %s` makes a profile of this card", p.rec.Hardware.Device)})
		return l, nil
	}
	share := l.Now.StepCPUUS / l.Dense.StepCPUUS
	if a := l.Adapters; a != nil {
		by := a.CPUUS / l.Dense.StepCPUUS
		a.CPUUS, a.Band, a.Energy = p.base.StepCPUUS*by, adaptersBand, scaledJoules(p.base.StepEnergy, by, adaptersBand, byRoofline)
	}
	l.Measured, l.AtLeast, l.LaunchesApart = true, false, false
	l.Dense.StepCPUUS, l.Now.StepCPUUS, l.Now.StepBand = p.base.StepCPUUS, p.base.StepCPUUS*share, cardBand
	l.Dense.StepEnergy, l.Now.StepEnergy = p.base.StepEnergy, scaledJoules(p.base.StepEnergy, share, cardBand, byRoofline)
	l.Dense.StepBand = 0
	if one := l.Dense.InferUS; one > 0 && p.base.InferUS > 0 {
		l.Now.InferUS *= p.base.InferUS / one
		l.Dense.InferUS, l.Dense.InferBand, l.Now.InferBand = p.base.InferUS, 0, inferBand
		none := event.Joules{Tier: "E", Source: l.Dense.InferEnergy.Source}
		l.Dense.InferEnergy, l.Now.InferEnergy = none, none
	}
	return l, nil
}
