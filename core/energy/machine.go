package energy

type machineScan struct {
	battery          *input
	source, boundary string
	status           []Status
}

func scanMachine(Options) machineScan          { return machineScan{} }
func (s *machineScan) batteryWhy() string      { return "" }
func (s *machineScan) inputs(Options) []*input { return nil }
